"""What lies around the queue on a real QEMU's recording: vectors, notifiers, loops, threads, identity; then spoiled."""
import pytest

from tests import recordings
from tests.host.test_bad_memory import SCENE, disk, spoil
from tests.lab.vm import UUID
from vqcheck.host.loops import main_thread
from vqcheck.host.msix import MSIX_CONTROL
from vqcheck.host.snapshot import take
from vqcheck.target.recording import Replay
from vqcheck.target.target import Identity
from vqcheck.target.view import View


@pytest.fixture
def recorded():
    return recordings.bundle(SCENE, "host")


def proxy_of(recorded):
    """Address of the disk's struct PCIDevice: of those that were read, the one whose vectors the queue uses."""
    size = recorded.sizes["struct PCIDevice"]
    found = [address for (_, address), raw in recorded.memory.items() if len(raw) == size]
    return found[-1]


def notify_of(recorded):
    return disk(recorded).queues[0].notify


def test_the_vector_and_the_notifiers(recorded):
    notify = notify_of(recorded)
    assert notify.vector == 1
    assert notify.msix[:5] == (True, False, False, False, True) and notify.msix.address >> 20 == 0xFEE
    assert (notify.host_notifier.initialized, notify.host_notifier.enabled, notify.host_notifier.handler) == (
        True, True, True)
    assert (notify.guest_notifier.initialized, notify.guest_notifier.irqfd, notify.guest_notifier.handler) == (
        True, False, True)


def test_the_iothread_serves_the_disk_and_stands_in_its_loop(recorded):
    snapshot = recordings.replay(recorded)
    notify = snapshot.devices[0].queues[0].notify
    (thread,) = [one for one in snapshot.threads if one.id == notify.thread]
    assert (notify.context, notify.polling) == ("iothread1", False)
    assert "iothread_run" in thread.functions and thread.role == "iothread iothread1"


def test_a_thread_without_a_name_or_stack_says_so(recorded):
    recorded.threads[0] = recorded.threads[0]._replace(name=None, functions=None, reason="no frame")
    thread = recordings.replay(recorded).threads[0]
    assert (thread.name, thread.functions) == (None, None)
    assert (thread.absent["name"], thread.absent["functions"]) == ("a core does not hold it", "no frame")


def test_the_vm_is_named(recorded):
    snapshot = recordings.replay(recorded)
    assert (snapshot.target.name, snapshot.target.uuid, snapshot.target.release) == ("vqcheck-lab", UUID, "pc-q35-7.2")
    assert snapshot.capture.method == "live" and snapshot.capture.time.endswith("Z")
    assert snapshot.devices[0].bus == ("pci", "0000:00:02.0")


@pytest.mark.parametrize("symbol, field, words", [("qemu_uuid_set", "uuid", "-uuid"), ("qemu_name", "name", "-name")])
def test_a_vm_without_a_name(recorded, symbol, field, words):
    key = (False, recorded.symbols[symbol])
    recorded.memory[key] = bytes(len(recorded.memory[key]))
    target = recordings.replay(recorded).target
    assert getattr(target, field) is None and words in target.absent[field]


def test_a_capture_without_a_time(recorded):
    bare = recorded._replace(identity=Identity("gdb", "core"))
    capture = take(Replay(bare), "virtio-disk1").capture
    assert (capture.time, capture.clock_ns) == (None, None)
    assert capture.absent["time"] == "the debugger knows none"
    assert "a core does not hold the time" in capture.absent["clock_ns"]


def test_without_its_run_state_the_reason_is_kept(recorded):
    recorded.symbols["current_run_state"] = None
    host = disk(recorded).host
    assert host.run_state is None and "current_run_state" in host.absent["run_state"]


@pytest.mark.parametrize("member, value, words", [
    ("cap_present", 0, "no MSI-X and uses INTx"), ("msix_entries_nr", 0, "msix_entries_nr is 0"),
    ("msix_entries_nr", 1, "vector 1 is beyond")])
def test_msix_that_is_not_there_or_not_right(recorded, member, value, words):
    spoil(recorded, proxy_of(recorded), member, "struct PCIDevice", value)
    notify = notify_of(recorded)
    assert notify.msix is None and words in notify.absent["msix"]


def test_msix_that_is_not_enabled(recorded):
    device = View(Replay(recorded), "struct PCIDevice", proxy_of(recorded))
    recorded.memory[(False, device.pointer("config") + device.uint("msix_cap") + MSIX_CONTROL)] = b"\0\0"
    assert "MSI-X is not enabled" in notify_of(recorded).absent["msix"]


def test_a_queue_without_a_vector(recorded):
    spoil(recorded, disk(recorded).queues[0].device.address, "vector", "struct VirtQueue", 0xFFFF)
    notify = notify_of(recorded)
    assert notify.vector == 0xFFFF and "no vector" in notify.absent["msix"] and notify.guest_notifier.irqfd is None


def test_requests_are_tracked_down_to_the_node_that_holds_them():
    tracked = disk(recordings.bundle("backend-stuck", "host")).host.block.tracked
    assert [(one.node, one.type, one.bytes) for one in tracked] == [("disk1", "write", 4096), ("debug1", "write", 4096)]


def test_the_main_thread_is_known_by_its_loop(recorded):
    threads = Replay(recorded).threads()
    assert main_thread(threads) == threads[0].id
    assert main_thread([one._replace(functions=None) for one in threads]) is None


def test_the_main_thread_in_a_coroutine_is_known_by_its_id(recorded):
    found = [one._replace(functions=("blk_aio_write_entry",)) for one in Replay(recorded).threads()]
    assert main_thread(found, recorded.identity.pid) == recorded.identity.pid == found[0].id
    assert main_thread(found[1:], recorded.identity.pid) is None
