"""Pairs that look like a hang and are none, or like one hang and are another: each differs in a single fact.

Synthetic pairs (tests/builders.py).
"""
import pytest

from tests.builders import fleet, pair
from tests.check.sayings import said, shown
from vqcheck.check.judge import judge
from vqcheck.check.verdict import CANNOT_JUDGE, FAULT, HEALTHY
from vqcheck.snapshot.model import Observation

MS, S = 1_000_000, 1_000_000_000
LOST_INTERRUPT = {"avail": 43936, "last_used": 43932}
LOST_KICK = {"avail": 104, "popped": 100}
STUCK = {"avail": 104, "popped": 104, "used": 103}
NEVER = {"signalled_used": 0, "signalled_used_valid": False}
IO_ERROR = {"host_part": {"run_state": "io-error", "vm_running": False}, "block": {"parked": 1}}
DRAINING = ["ppoll", "qemu_poll_ns", "fdmon_poll_wait", "aio_poll", "bdrv_drained_begin", "main_loop_wait"]
LOCKED = ["__lll_lock_wait", "pthread_mutex_lock", "qemu_mutex_lock_impl", "virtio_blk_handle_output", "aio_poll"]


def finding(verdict):
    return verdict.queues[0].findings[0]


def with_ages(sides, *ages):
    """The pair with other ages for its requests, None for unknown."""
    guest, host = sides
    queue = guest.devices[0].queues[0]
    requests = [one._replace(age_ns=age) for one, age in zip(queue.in_flight, ages)]
    queue = queue._replace(in_flight=requests + queue.in_flight[len(ages):])
    return guest._replace(devices=[guest.devices[0]._replace(queues=[queue])]), host


def two_disks(first, second):
    """Both sides with a second disk, at another place."""
    guest, host = pair(**first)
    other_guest, other_host = pair(**second, rings=fleet(1, 1)[0].devices[0].queues[0].rings)
    move = {"name": "vdc", "bus": guest.devices[0].bus._replace(address="0000:00:08.0")}
    return (guest._replace(devices=[*guest.devices, other_guest.devices[0]._replace(**move)]),
            host._replace(devices=[*host.devices, other_host.devices[0]._replace(**{**move, "name": "virtio-disk2"})]))


@pytest.mark.parametrize("scene", [{"avail": 104, "popped": 102, "used": 101, "last_used": 99}, STUCK,
                                   {**STUCK, "age_ns": 8 * MS}])
def test_a_vm_stopped_by_a_storage_error_is_that_and_nothing_else(scene):
    assert shown(judge(*pair(**scene, **IO_ERROR))) == ["storage-error"]


@pytest.mark.parametrize("scene", [LOST_INTERRUPT, {}])
def test_a_queue_that_holds_nothing_parked_is_only_stopped(scene):
    assert judge(*pair(**scene, **IO_ERROR)).status == CANNOT_JUDGE


def test_parked_requests_of_a_running_vm_are_not_the_operators_fault():
    found = finding(judge(*pair(**STUCK, block={"parked": 1}, host_queue={"held": None})))
    assert found.slug == "retry-never-ran" and "nothing retries" in found.blame


def test_one_old_request_in_the_device_is_not_hidden_by_a_young_one():
    sides = with_ages(pair(avail=104, popped=104, used=102), 300 * S, 2 * MS)
    assert shown(judge(*sides)) == ["storage-not-answering"]


@pytest.mark.parametrize("scene", [
    STUCK, {**LOST_INTERRUPT, "driver": {"avail_flags_shadow": 1}}, {**LOST_KICK, "ring": {"avail_event": 50}},
    {**LOST_INTERRUPT, "stack": ["__lll_lock_wait", "virtio_blk_req_complete"]}])
def test_unknown_ages_are_never_young(scene):
    sides = pair(**scene, guest_queue={"in_flight": None}, host_queue={"held": None})
    assert judge(*sides).status == CANNOT_JUDGE


def test_some_unknown_ages_are_not_all_old():
    sides = with_ages(pair(**LOST_INTERRUPT), 30 * S, None, None, None)
    assert judge(*sides).status == CANNOT_JUDGE


def test_a_thread_blocked_in_the_handler_is_not_an_event_under_way():
    assert judge(*pair(**LOST_KICK, age_ns=2 * MS, stack=LOCKED)).status == CANNOT_JUDGE


@pytest.mark.parametrize("scene, rules", [(LOST_INTERRUPT, []), (LOST_KICK, ["kick-not-served"])])
def test_a_wait_for_something_else_is_no_sleep(scene, rules):
    verdict = judge(*pair(**scene, stack=DRAINING))
    assert shown(verdict) == rules
    assert "bdrv_drained_begin" in said(verdict)


def test_what_a_person_saw_on_an_idle_queue_points_above_it():
    verdict = judge(*pair(), stuck="fio stands still")
    assert verdict.status == CANNOT_JUDGE and "waits above it" in said(verdict)


def test_what_a_person_saw_does_not_overrule_young_ages():
    verdict = judge(*pair(**LOST_INTERRUPT, age_ns=2 * MS), stuck="fio stands still")
    assert verdict.status == CANNOT_JUDGE


def test_what_a_person_saw_of_one_disk_is_not_held_against_another():
    sides = two_disks(LOST_INTERRUPT, {**STUCK, "age_ns": 2 * MS})
    assert shown(judge(*sides, stuck="vdb hangs")) == ["lost-interrupt"]
    blind = two_disks({**LOST_INTERRUPT, "guest_queue": {"in_flight": None}},
                      {**STUCK, "guest_queue": {"in_flight": None}, "host_queue": {"held": None}})
    assert shown(judge(*blind, stuck="vdb hangs")) == []


def test_a_person_who_saw_it_move_is_heard():
    guest, host = pair(**LOST_INTERRUPT)
    guest = guest._replace(capture=guest.capture._replace(observation=Observation(False, "it still moves")))
    assert "a person saw it move: it still moves" in said(judge(guest, host))


def test_a_queue_of_a_judged_device_that_the_guest_lacks_leaves_the_verdict_open():
    guest, host = pair()
    extra = fleet(1, 1)[1].devices[0].queues[0]._replace(queue_index=1)
    device = host.devices[0]._replace(queues=[*host.devices[0].queues, extra])
    verdict = judge(guest, host._replace(devices=[device]))
    assert verdict.status == CANNOT_JUDGE and "queue 1 of virtio-disk1 is in the host's snapshot only" in said(verdict)
    assert "partner" in verdict.headline


def test_devices_of_the_host_alone_are_named_and_do_not_matter():
    _, host = two_disks({}, {})
    guest, _ = pair()
    verdict = judge(guest, host)
    assert verdict.status == HEALTHY and "virtio-disk2" in said(verdict)


@pytest.mark.parametrize("changes, word", [
    ({"host_device": {"host": None}, "host": {"qemu": None}}, "run_state is not known"),
    ({"host_part": {"run_state": None, "vm_running": None}, "host": {"qemu": None}}, "run_state is not known"),
    ({"host_part": {"vhost_started": None, "type": "vhost-user-blk"}}, "vhost"),
    ({"host_part": {"vhost_started": False, "type": "vhost-user-blk"}, "device": NEVER}, "vhost"),
    ({"guest_queue": {"layout": None}, "host_queue": {"layout": None}, "guest_device": {"features": None},
      "host_device": {"features": None}}, "features are known"),
    ({"host_part": {"disabled": True}}, "bus mastering"),
    ({"host_device": {"status": 3}, "guest_device": {"status": 3}}, "DRIVER_OK"),
    ({"host_device": {"status": 0}}, "disagree on the device's status"),
    ({"device": {"signalled_used": 43940}}, "impossible"),
])
def test_what_is_not_known_to_be_fine_is_not_judged(changes, word):
    verdict = judge(*pair(**LOST_INTERRUPT, **changes))
    assert (verdict.status, shown(verdict)) == (CANNOT_JUDGE, []) and word in said(verdict)


def test_a_packed_ring_is_known_by_its_feature_too():
    guest, host = pair(**LOST_INTERRUPT, guest_queue={"layout": None}, host_queue={"layout": None})
    bits = guest.devices[0].features
    packed = bits._replace(negotiated=type(bits.negotiated)(bits.negotiated | 1 << 34))
    guest, host = (side._replace(devices=[side.devices[0]._replace(features=packed)]) for side in (guest, host))
    assert judge(guest, host).status == CANNOT_JUDGE and "descriptors" in said(judge(guest, host))


def test_a_full_ring_gets_no_advice_to_send_more():
    sides = pair(avail=43936, last_used=43936 - 128, device=NEVER)
    assert not any("dd if=" in action for action in finding(judge(*sides)).to_do)


def test_advice_for_a_disk_of_many_queues_names_the_queue():
    action = finding(judge(*pair(**LOST_INTERRUPT, device=NEVER, queue_index=3))).to_do[0]
    assert "taskset" in action and "/sys/block/vdb/mq/3/cpu_list" in action


@pytest.mark.parametrize("changes, blame", [
    ({"irq": {"depth": 1}}, "guest"), ({"irq": {"pending": True}}, "guest"),
    ({"notify": {"vector": 0xFFFF, "msix": None}, "irq": {"vector": 1}}, "guest or state load"),
])
def test_nothing_is_sent_where_nothing_would_arrive(changes, blame):
    found = finding(judge(*pair(**LOST_INTERRUPT, device=NEVER, **changes)))
    assert found.blame.startswith(blame)
    assert not any("dd if=" in action or "eventfd_write" in action for action in found.to_do)


def test_stop_is_not_advised_without_warning_while_the_device_holds_requests():
    found = [one for one in judge(*pair(avail=104, popped=102, used=101)).queues[0].findings if one.slug == "lost-kick"]
    assert any("`stop` may block" in action for action in found[0].to_do)


@pytest.mark.parametrize("block, blame, action", [
    ({"in_flight": 0, "tracked": []}, "the device itself holds", "gcore"),
    ({"quiesce_counter": 1, "in_flight": 0, "tracked": []}, "drained", "query-block-jobs"),
    ({"throttled": 1}, "I/O limit", "block_set_io_throttle"),
])
def test_who_holds_the_request_decides_what_to_do(block, blame, action):
    found = finding(judge(*pair(**STUCK, block=block, host_queue={"held": None})))
    assert blame in found.blame and action in found.to_do[0]


def test_an_evaluation_that_covered_the_entry_due_was_not_skipped():
    found = finding(judge(*pair(**LOST_INTERRUPT, device={"signalled_used": 43934})))
    assert any("has evaluated the need to interrupt for the entry due" in one.says for one in found.evidence)


def test_on_a_young_queue_the_first_notification_is_suspected_before_a_migration():
    found = finding(judge(*pair(avail=4, last_used=0, device=NEVER)))
    assert "first notification" in found.causes[0].what


@pytest.mark.parametrize("changes, rules", [
    ({"block": {"quiesce_counter": 1}}, ["drained"]), ({"device": {"notification": False}}, ["kicks-left-off"]),
    ({"device": {"notification": False}, "notify": {"polling": None}}, [])])
def test_a_device_that_takes_no_requests_lost_no_kick(changes, rules):
    assert shown(judge(*pair(**LOST_KICK, **changes))) == rules
    young = judge(*pair(**LOST_KICK, **changes, age_ns=2 * MS))
    assert (young.status, shown(young)) == (HEALTHY, [])


def test_a_kick_that_arrived_was_not_lost():
    guest, host = pair(**LOST_KICK)
    queue = host.devices[0].queues[0]
    notify = queue.notify._replace(host_notifier=queue.notify.host_notifier._replace(eventfd_count=1))
    host = host._replace(devices=[host.devices[0]._replace(queues=[queue._replace(notify=notify)])])
    verdict = judge(guest, host)
    assert (verdict.status, shown(verdict)) == (FAULT, ["event-loop-asleep"])
    assert finding(verdict).blame.startswith("host: its event loop")


def test_without_ioeventfd_a_vcpu_may_be_running_the_handler():
    guest, host = pair(**LOST_KICK)
    queue = host.devices[0].queues[0]
    notify = queue.notify._replace(host_notifier=queue.notify.host_notifier._replace(enabled=False),
                                   thread=None, context=None)
    vcpu = host.threads[0]._replace(id=77, functions=["virtio_blk_handle_output", "memory_region_write_accessor"])
    part = host.devices[0].host._replace(ioeventfd_started=False)
    host = host._replace(devices=[host.devices[0]._replace(queues=[queue._replace(notify=notify)], host=part)],
                         threads=[*host.threads, vcpu])
    assert shown(judge(guest, host)) == ["kick-not-served"]


@pytest.mark.parametrize("age, status", [(2 * MS, HEALTHY), (30 * S, CANNOT_JUDGE)])
def test_an_interrupt_that_the_guest_took_was_not_lost(age, status):
    sides = pair(**LOST_INTERRUPT, age_ns=age, driver={"event_triggered": True}, guest_queue={"irq": None})
    assert judge(*sides).status == status


def test_an_event_index_that_was_set_back_tells_no_time():
    verdict = judge(*pair(**LOST_INTERRUPT, guest_ring={"used_event": 0}))
    assert "used_event is 0 in the guest's capture and 43932 in the host's" in said(verdict)
    assert "later" not in said(verdict).replace("or twice each", "")


def test_a_broken_device_is_broken_whether_the_vm_runs_or_not():
    paused = {"run_state": "paused", "vm_running": False, "broken": True}
    assert shown(judge(*pair(host_part=paused))) == ["device-broken"]


def test_a_corrupt_chain_is_not_called_a_lost_event():
    guest, host = pair(**LOST_INTERRUPT)
    queue = guest.devices[0].queues[0]
    looped = queue.in_flight[0]._replace(chain_problem="the chain loops")
    queue = queue._replace(in_flight=[looped, *queue.in_flight[1:]])
    verdict = judge(guest._replace(devices=[guest.devices[0]._replace(queues=[queue])]), host)
    assert shown(verdict) == ["corrupt-chain"] and "the chain loops" in said(verdict)


@pytest.mark.parametrize("counter, says", [(None, True), (0, False)])
def test_a_drain_that_would_not_be_seen_speaks_against_a_lost_kick(counter, says):
    found = finding(judge(*pair(**LOST_KICK, block={"quiesce_counter": counter})))
    assert found.slug == "lost-kick" and any("drained is not known" in one for one in found.against) is says


@pytest.mark.parametrize("waited, blame", [(0, "was not released"), (1, "requests in flight that the drain waits for")])
def test_a_drain_that_waits_for_another_queues_request_is_not_to_blame(waited, blame):
    found = finding(judge(*pair(**LOST_KICK, block={"quiesce_counter": 1, "in_flight": waited})))
    assert found.slug == "drained" and blame in found.blame


@pytest.mark.parametrize("panicked, status", [(True, CANNOT_JUDGE), (False, FAULT), (None, FAULT)])
def test_the_rings_of_a_kdump_kernel_are_not_those_of_the_kernel_that_panicked(panicked, status):
    guest, host = pair(rings=fleet(1, 1)[0].devices[0].queues[0].rings)[0], pair()[1]
    guest, host = (one._replace(capture=one.capture._replace(method="core", instant="qemu.core 1", panicked=panicked))
                   for one in (guest, host))
    verdict = judge(guest, host)
    assert verdict.status == status and verdict.queues[0].findings[0].slug == "ring-addresses-differ"
