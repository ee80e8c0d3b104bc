"""QEMU as a process, on recordings of real ones: event loops, threads and what each is for, calls put off."""
import pytest

from tests import recordings
from tests.host.test_bad_memory import disk, spoil
from tests.lab.qemu_build import DEFAULT
from vqcheck.host.qom import TABLE_BYTES


def recorded(name, qemu=DEFAULT):
    return recordings.bundle(recordings.place(qemu, name), "host", recordings.DATA)


def snapshot(name, qemu=DEFAULT):
    return recordings.replay(recorded(name, qemu))


def thread_of(found, role):
    (one,) = [one for one in found.threads if one.role == role]
    return one


@pytest.mark.parametrize("qemu", ["5.2", DEFAULT, "10.0"])
def test_each_loop_has_its_thread(qemu):
    found = snapshot("lost-interrupt", qemu)
    roles = {one.id: one.role for one in found.threads}
    assert [(one.name, roles[one.thread]) for one in found.qemu.loops] == [
        ("main", "main"), ("iohandler", "main"), ("iothread1", "iothread iothread1")]
    assert all(one.polling is False and one.bottom_halves == [] for one in found.qemu.loops)
    assert found.qemu.loops[-1].thread_pool.active == 0 and found.qemu.bql_owner == 0


@pytest.mark.parametrize("qemu", ["5.2", DEFAULT, "10.0"])
def test_a_disk_without_an_iothread_is_served_by_the_main_loop(qemu):
    found = snapshot("lost-interrupt-no-iothread", qemu)
    notify = found.devices[0].queues[0].notify
    assert (notify.context, notify.thread) == ("main", thread_of(found, "main").id)
    assert [one.name for one in found.qemu.loops] == ["main", "iohandler"]
    assert {node.context for node in found.devices[0].host.block.nodes} == {"main"}


def test_queues_of_a_scsi_host_may_have_loops_of_their_own():
    """Since QEMU 10.0 only the queues of requests are the iothread's."""
    for qemu, contexts in (("5.2", ["iothread1"] * 3), (DEFAULT, ["iothread1"] * 3),
                           ("10.0", ["main", "main", "iothread1"])):
        found = snapshot("lost-interrupt-scsi", qemu)
        assert [queue.notify.context for queue in found.devices[0].queues] == contexts


@pytest.mark.parametrize("qemu", ["5.2", DEFAULT, "10.0"])
def test_a_thread_that_blocks_in_the_handler_stands_there(qemu):
    found = snapshot("iothread-parked", qemu)
    (queue,) = found.devices[0].queues
    functions = thread_of(found, "iothread iothread1").functions
    assert functions[0] == "__libc_pause" and "virtio_blk_handle_vq" in functions
    assert queue.notify.thread == thread_of(found, "iothread iothread1").id
    assert queue.device.notification is False and queue.available and queue.notify.host_notifier.eventfd_count == 0


def test_calls_are_put_off_since_qemu_8_2_only():
    older, newer = snapshot("lost-interrupt"), snapshot("lost-interrupt", "10.0")
    assert all(one.deferred_calls is None and "before QEMU 8.2" in one.absent["deferred_calls"]
               for one in older.threads)
    known = [one for one in newer.threads if one.role]
    assert [(one.deferred_calls, one.defer_depth) for one in known] == [(0, 0)] * len(known) and len(known) == 4


def test_an_interrupt_is_put_off_while_the_thread_gathers_completions():
    """Where the guest notifier is about to be written the thread runs what it has put off."""
    found = snapshot("healthy-at-eventfd", "10.0")
    thread = thread_of(found, "iothread iothread1")
    assert thread.functions[0] == "event_notifier_set" and thread.deferred_calls is not None


def test_a_stopped_machine_has_no_notifiers():
    for name, state in (("paused", "paused"), ("storage-error", "io-error")):
        for qemu in (DEFAULT, "10.0"):
            found = snapshot(name, qemu)
            (device,) = found.devices
            notify = device.queues[0].notify
            assert (found.qemu.run_state, device.host.run_state, device.host.vm_running) == (state, state, False)
            assert (device.host.ioeventfd_started, device.host.bus_ioeventfd_started) == (False, False)
            assert (notify.host_notifier.enabled, notify.host_notifier.handler, notify.context) == (False, None, None)
            assert "not set up" in notify.host_notifier.absent["eventfd_count"]
            assert "the vCPU that kicks" in notify.absent["context"] == notify.absent["thread"]


def test_a_drain_leaves_handlers_out_until_qemu_8_0():
    at = recorded("lost-interrupt")
    loop = recordings.replay(at).qemu.loops[-1]
    assert loop.external_disabled == 0 and disk(at).queues[0].notify.host_notifier.handler_disabled is False
    spoil(at, loop.address, "external_disable_cnt", "struct AioContext", 1)
    assert recordings.replay(at).qemu.loops[-1].external_disabled == 1
    assert disk(at).queues[0].notify.host_notifier.handler_disabled is True
    newer = snapshot("lost-interrupt", "10.0").qemu.loops[-1]
    assert newer.external_disabled is None and "external_disable_cnt" in newer.absent["external_disabled"]


def test_iothreads_that_can_not_be_found_are_not_said_to_be_missing():
    at = recorded("lost-interrupt")
    for key, raw in at.memory.items():
        if len(raw) == TABLE_BYTES:
            at.memory[key] = bytes(TABLE_BYTES)  # QEMU's object tree, by which iothreads are found
    found = recordings.replay(at)
    notifier = found.devices[0].queues[0].notify.host_notifier
    main, iohandler, nameless = found.qemu.loops
    assert (main.name, iohandler.name, nameless.thread) == ("main", "iohandler", None)
    assert nameless.name == f"{nameless.address:#x}"  # what the disk itself points at
    assert "iothreads are not known" in found.qemu.absent["loops"]
    assert notifier.handler is None and "iothreads are not known" in notifier.absent["handler"]


def test_a_masked_vector_keeps_its_interrupt():
    for qemu in (DEFAULT, "10.0"):
        (queue,) = snapshot("vector-masked", qemu).devices[0].queues
        assert (queue.notify.msix.masked, queue.notify.msix.pending, queue.notify.msix.function_masked) == (
            True, True, False)
        assert queue.device.signalled_used == queue.device.used_idx and queue.notify.guest_notifier.eventfd_count == 0


def test_each_of_four_queues_has_a_vector_and_notifiers_of_its_own():
    for qemu in (DEFAULT, "10.0"):
        queues = snapshot("lost-interrupt-four-queues", qemu).devices[0].queues
        assert [one.notify.vector for one in queues] == [1, 2, 3, 4]
        descriptors = {one.notify.host_notifier.fd for one in queues} | {one.notify.guest_notifier.fd for one in queues}
        assert len(descriptors) == 8 and {one.notify.context for one in queues} == {"iothread1"}


def test_without_event_idx_interrupts_were_gathered_until_qemu_8_1():
    for name, gathers in (("lost-interrupt-no-event-idx", True), ("lost-interrupt", False)):
        (device,) = snapshot(name).devices
        assert device.host.batch_notifications is gathers and device.queues[0].notify.batched is False
    host = snapshot("lost-interrupt-no-event-idx", "10.0").devices[0].host
    assert host.batch_notifications is None and "until 8.1" in host.absent["batch_notifications"]
