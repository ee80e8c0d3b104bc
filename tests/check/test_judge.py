"""The joint checker on synthetic pairs (tests/builders.py): each scene, and what looks like it and is none."""
import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import IOTHREAD, fleet, pair
from tests.check.sayings import open_matters, said, shown
from vqcheck.check.judge import judge
from vqcheck.check.verdict import CANNOT_JUDGE, FAULT, HEALTHY
from vqcheck.snapshot.model import Observation
from vqcheck.snapshot.read import read_file

MS = 1_000_000
INCIDENT = pathlib.Path(__file__).parents[2] / "examples" / "incident"

NOTIFYING = ["virtio_notify_irqfd", "virtio_blk_data_plane_notify", "virtio_blk_req_complete", "aio_poll",
             "iothread_run"]
HANDLING = ["virtio_blk_handle_output", "virtio_queue_notify_vq", "aio_dispatch_handler", "aio_poll", "iothread_run"]

LOST_INTERRUPT = {"avail": 43936, "last_used": 43932}
LOST_KICK = {"avail": 104, "popped": 100}
STUCK = {"avail": 104, "popped": 104, "used": 103}


def test_an_idle_queue_is_healthy():
    verdict = judge(*pair())
    assert (verdict.status, verdict.exit_status) == (HEALTHY, 0)
    assert shown(verdict) == []


@pytest.mark.parametrize("scene, rule", [(LOST_INTERRUPT, "lost-interrupt"), (LOST_KICK, "lost-kick"),
                                         (STUCK, "storage-not-answering")])
def test_each_hang_has_its_rule(scene, rule):
    verdict = judge(*pair(**scene))
    assert (verdict.status, verdict.exit_status, shown(verdict)) == (FAULT, 1, [rule])


def test_a_lost_interrupt_names_its_event():
    (queue,) = judge(*pair(**LOST_INTERRUPT)).queues
    event = queue.findings[0].event
    assert (event.kind, event.idx, event.head, event.through) == ("interrupt", 43932, 43932 % 128, "MSI-X vector 1")
    assert "write of 4096 bytes" in event.request
    assert [answer.answer for answer in queue.answers] == ["yes, all", "yes, all", "no: 4 not consumed"]


def test_a_lost_kick_names_its_event():
    (queue,) = judge(*pair(**LOST_KICK)).queues
    event = queue.findings[0].event
    assert (event.kind, event.idx, event.head, event.through) == ("kick", 100, 100, "host notifier fd 51")


@pytest.mark.parametrize("scene", [LOST_INTERRUPT, LOST_KICK, STUCK])
def test_young_requests_are_never_a_fault(scene):
    verdict = judge(*pair(**scene, age_ns=8 * MS))
    assert verdict.status == (HEALTHY if scene is STUCK else CANNOT_JUDGE)
    assert shown(verdict) == []


@pytest.mark.parametrize("scene, stack", [(LOST_INTERRUPT, NOTIFYING), (LOST_KICK, HANDLING)])
def test_an_event_under_way_is_healthy(scene, stack):
    verdict = judge(*pair(**scene, age_ns=8 * MS, stack=stack))
    assert verdict.status == HEALTHY
    assert stack[0] in said(verdict)


def test_a_thread_that_stands_in_the_event_is_not_called_a_lost_event():
    verdict = judge(*pair(**LOST_INTERRUPT, stack=NOTIFYING))  # of slow storage, the entry may have come back just now
    assert (verdict.status, shown(verdict)) == (CANNOT_JUDGE, [])
    assert "it is stuck" in said(verdict)
    assert shown(judge(*pair(**LOST_KICK, stack=HANDLING))) == ["kick-not-served"]
    other_work = pair(avail=104, popped=100, used=98, stack=HANDLING)
    assert "lost-kick" not in shown(judge(*other_work)) and "kick-not-served" not in shown(judge(*other_work))


def test_the_youngest_request_decides():
    guest, host = pair(avail=43936, last_used=43934)
    queue = guest.devices[0].queues[0]
    young = queue.in_flight[1]._replace(age_ns=2 * MS)
    queue = queue._replace(in_flight=[queue.in_flight[0], young])
    guest = guest._replace(devices=[guest.devices[0]._replace(queues=[queue])])
    assert judge(guest, host).status == CANNOT_JUDGE


def test_what_a_person_saw_stands_in_for_unknown_ages():
    guest, host = pair(**LOST_INTERRUPT, guest_queue={"in_flight": None})
    assert judge(guest, host).status == CANNOT_JUDGE
    assert shown(judge(guest, host, stuck="no progress for 20 minutes")) == ["lost-interrupt"]
    seen = guest._replace(capture=guest.capture._replace(observation=Observation(True, "fio stands still")))
    assert shown(judge(seen, host)) == ["lost-interrupt"]
    unseen = guest._replace(capture=guest.capture._replace(observation=Observation(False, "it still moves")))
    assert judge(unseen, host).status == CANNOT_JUDGE


@pytest.mark.parametrize("changes, words", [
    ({"driver": {"avail_flags_shadow": 1}}, "callbacks are off"),
    ({"irq": {"in_progress": True}}, "inside the handler of irq 27"),
    ({"ring": {"used_event": 43950}}, "has not asked to be interrupted"),
])
def test_a_guest_that_looks_by_itself_lost_no_interrupt(changes, words):
    young, old = judge(*pair(**LOST_INTERRUPT, age_ns=MS, **changes)), judge(*pair(**LOST_INTERRUPT, **changes))
    assert young.status == HEALTHY
    in_handler = "irq" in changes
    assert (old.status, shown(old)) == ((CANNOT_JUDGE, []) if in_handler else (FAULT, ["callbacks-off"]))
    assert words in said(young) and words in said(old)


@pytest.mark.parametrize("changes, words, rules", [
    ({"driver": {"num_added": 2}}, "still adding", ["driver-did-not-kick"]),
    ({"notify": {"polling": True}}, "busy polling", []),
    ({"ring": {"avail_event": 50}}, "has not asked to be kicked", ["stale-avail-event"]),
])
def test_a_device_that_wants_no_kick_lost_none(changes, words, rules):
    young, old = judge(*pair(**LOST_KICK, age_ns=MS, **changes)), judge(*pair(**LOST_KICK, **changes))
    assert young.status == HEALTHY
    assert (old.status, shown(old)) == (FAULT if rules else CANNOT_JUDGE, rules)
    assert words in said(young)


@pytest.mark.parametrize("irq, msix, words", [({"depth": 1}, {}, "irq 27 disabled"),
                                              ({"masked": True}, {"masked": True},
                                                                                        "masked")])
def test_a_guest_that_holds_the_interrupt_back_is_to_blame(irq, msix, words):
    guest, host = pair(**LOST_INTERRUPT, irq=irq)
    queue = host.devices[0].queues[0]
    queue = queue._replace(notify=queue.notify._replace(msix=queue.notify.msix._replace(**msix)))
    host = host._replace(devices=[host.devices[0]._replace(queues=[queue])])
    finding = judge(guest, host).queues[0].findings[0]
    assert finding.blame.startswith("guest") and words in finding.blame


@pytest.mark.parametrize("changes, words", [
    ({"host_part": {"run_state": "paused", "vm_running": False}}, "not running"),
    ({"guest_queue": {"layout": "packed"}}, "a packed ring, and QEMU a split one"),
    ({"guest_queue": {"role": "unknown"}, "host_queue": {"role": "unknown"}}, "its role is unknown"),
    ({"guest_queue": {"size": 256}}, "queue's size"),
    ({"guest_queue": {"in_flight": []}}, "0 heads are in flight"),
    ({"device": {"last_avail_idx": None, "absent": {"last_avail_idx": "page not in the dump"}}},
     "page not in the dump"),
    ({"driver": {"last_used_idx": None}}, "last_used_idx is not known"),
])
def test_what_cannot_be_judged_says_why(changes, words):
    verdict = judge(*pair(**LOST_INTERRUPT, **changes))
    assert (verdict.status, verdict.exit_status, shown(verdict)) == (CANNOT_JUDGE, 2, [])
    assert words in said(verdict)


def test_two_captures_that_moved_apart_say_who_is_later():
    (guest, _), (_, host) = pair(**LOST_INTERRUPT), pair(avail=43940, popped=43938, used=43937, last_used=43932)
    verdict = judge(guest, host)
    assert (verdict.status, shown(verdict), open_matters(verdict)) == (CANNOT_JUDGE, [], ["skewed-captures"])
    assert "used_idx is 43936 in the guest's capture and 43937 in the host's: the host's is later, by 1 entries" \
        in said(verdict)
    (_, host), (guest, _) = pair(avail=43930), pair(**LOST_INTERRUPT)
    assert "the guest's is later, by 6 entries" in said(judge(guest, host))


@pytest.mark.parametrize("changes, rule", [
    ({"device": {"used_idx": 43935, "inuse": 1}}, "used-idx-not-as-written"),
    ({"device": {"inuse": 3}}, "inuse-mismatch")])
def test_numbers_that_one_side_gets_wrong_are_its_fault(changes, rule):
    assert rule in shown(judge(*pair(**LOST_INTERRUPT, **changes)))
    at_work = judge(*pair(**LOST_INTERRUPT, **changes, stack=["virtqueue_flush", "aio_poll"]))
    assert (at_work.status, shown(at_work)) == (CANNOT_JUDGE, [])


def test_request_queues_of_any_device_are_judged():
    guest, host = (side._replace(devices=[side.devices[0]._replace(type="scsi", device_id=8)])
                   for side in pair(**LOST_INTERRUPT))
    assert shown(judge(guest, host)) == ["lost-interrupt"]


def test_features_that_differ_are_not_judged():
    guest, host = pair(**LOST_INTERRUPT)
    other, _ = pair(**LOST_INTERRUPT, event_idx=False)
    assert "different features" in said(judge(other, host))


def test_a_head_that_stands_twice_is_corruption():
    guest, host = pair(**LOST_INTERRUPT)
    queue = guest.devices[0].queues[0]
    queue = queue._replace(used=[queue.used[0]] * 4)
    verdict = judge(guest._replace(devices=[guest.devices[0]._replace(queues=[queue])]), host)
    assert shown(verdict)[0] == "returned-but-not-in-flight" and "twice" in said(verdict)


def test_snapshots_of_different_vms():
    guest, host = pair()
    other = host._replace(target=host.target._replace(uuid="00000000-0000-4000-8000-000000000000"))
    verdict = judge(guest, other)
    assert (verdict.status, verdict.queues) == (CANNOT_JUDGE, []) and "different VMs" in said(verdict)


def test_snapshots_without_a_common_queue():
    guest, host = pair()
    _, elsewhere = fleet(1, 1)
    verdict = judge(guest, elsewhere)
    assert verdict.status == CANNOT_JUDGE and "neither ring addresses nor bus addresses match" in said(verdict)


def test_same_place_with_other_rings_is_not_judged():
    guest, host = pair()
    queue = host.devices[0].queues[0]
    moved = queue._replace(rings=queue.rings._replace(desc=type(queue.rings.desc)(0x1000)))
    verdict = judge(guest, host._replace(devices=[host.devices[0]._replace(queues=[moved])]))
    assert verdict.status == CANNOT_JUDGE and "different rings" in said(verdict)


def test_a_broken_device_is_a_fault_of_its_own():
    assert shown(judge(*pair(host_part={"broken": True}))) == ["device-broken"]
    assert shown(judge(*pair(driver={"broken": True}))) == ["queue-broken"]


def test_parked_requests_are_a_storage_error():
    verdict = judge(*pair(**STUCK, host_part={"run_state": "io-error", "vm_running": False}, block={"parked": 1}))
    assert shown(verdict) == ["storage-error"]


def test_without_event_idx_the_flags_decide_and_signalled_used_means_nothing():
    verdict = judge(*pair(**LOST_INTERRUPT, event_idx=False, device={"signalled_used": 0,
                                                                       "signalled_used_valid": False}))
    assert shown(verdict) == ["lost-interrupt"]
    text = " ".join(one.says for one in verdict.queues[0].findings[0].evidence)
    assert "means nothing without EVENT_IDX" in text
    quiet = judge(*pair(**LOST_INTERRUPT, event_idx=False, ring={"avail_flags": 1}, driver={"avail_flags_shadow": 1}))
    assert shown(quiet) == ["callbacks-off"]


@pytest.mark.parametrize("signalled, valid, says, helps", [
    (43936, True, "lost after that", False),
    (43932, True, "lost inside QEMU", True),
    (0, False, "never been completed", True),
    (17, False, "invalidated", True),
])
def test_what_signalled_used_proves_and_whether_one_more_request_helps(signalled, valid, says, helps):
    device = {"signalled_used": signalled, "signalled_used_valid": valid}
    finding = judge(*pair(**LOST_INTERRUPT, device=device)).queues[0].findings[0]
    assert any(says in one.says for one in finding.evidence)
    assert ("dd if=/dev/vdb" in finding.to_do[0]) is helps
    assert ("will NOT help" in finding.to_do[0]) is not helps


def test_the_serving_thread_counts_and_others_do_not():
    guest, host = pair(**LOST_INTERRUPT)
    elsewhere = host.threads[0]._replace(id=1, functions=["virtio_blk_handle_output", "main_loop_wait"])
    assert shown(judge(guest, host._replace(threads=[*host.threads, elsewhere]))) == ["lost-interrupt"]
    unknown = [one for one in host.threads if one.id != IOTHREAD] + [elsewhere]
    assert judge(guest, host._replace(threads=unknown)).status == CANNOT_JUDGE


def test_the_incident_gets_its_verdict():
    verdict = judge(read_file(INCIDENT / "guest.json"), read_file(INCIDENT / "host.json"))
    assert (verdict.status, shown(verdict)) == (FAULT, ["lost-interrupt"])
    (queue,) = verdict.queues
    (finding,) = queue.findings
    assert finding.event.idx == 43932
    assert [answer.answer for answer in queue.answers] == ["yes, all", "yes, all", "no: 4 not consumed"]
    says = " ".join(one.says for one in finding.evidence)
    assert "never been completed for this queue in this QEMU process since reset or load" in says
    assert "fio" in says
    assert "migration" in finding.causes[0].what
    assert "dd if=/dev/vdb" in finding.to_do[0]


def test_examples_are_json_without_zero_for_unknown():
    host = json.loads((INCIDENT / "host.json").read_text())
    queue = host["devices"][0]["queues"][0]
    assert queue["ring"] is None and queue["absent"]["ring"] == "not in the report"


@given(st.integers(0, 0xFFFF), st.sampled_from([LOST_INTERRUPT, LOST_KICK, STUCK, {}]), st.booleans())
def test_shifting_all_indexes_changes_nothing(shift, scene, event_idx):
    plain = judge(*pair(**scene, event_idx=event_idx))
    moved = {key: (value + shift) & 0xFFFF for key, value in {"avail": 43936, **scene}.items()}
    shifted = judge(*pair(**moved, event_idx=event_idx))
    assert (shifted.status, shown(shifted)) == (plain.status, shown(plain))


def test_many_queues_pair_one_to_one():
    verdict = judge(*fleet(20, 4))
    assert verdict.status == HEALTHY
    assert len(verdict.queues) == 80
    assert len({(one.guest_device, one.queue_index) for one in verdict.queues}) == 80
