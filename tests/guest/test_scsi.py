"""virtio-scsi in the guest: host, units, disks, commands and task management, on the layouts of four kernels."""
import pytest

from tests.guest.made.block import RELEASES
from tests.guest.made.scsi import ScsiMachine
from vqcheck.guest.drivers import driver_kind
from vqcheck.guest.drivers.disks import MAX_TASKS
from vqcheck.guest.drivers.scsi import ScsiDriver
from vqcheck.snapshot.model import Queue
from vqcheck.target.absence import Absences


def fields(machine, driver=None):
    absent = Absences()
    found = (driver or machine.driver()).fields(absent)
    return found["scsi"], found["block"], absent


@pytest.mark.parametrize("release", RELEASES)
def test_the_host_its_units_and_its_disks(release):
    machine = ScsiMachine(release)
    scsi, blocks, absent = fields(machine)
    assert (scsi.name, scsi.address, scsi.state, scsi.failed, scsi.eh_active, scsi.blocked, scsi.absent) \
        == ("host2", machine.host, "running", 0, False, 0, {})
    assert [(one.name, one.disk, one.state) for one in scsi.units] \
        == [("2:0:0:0", "sda", "running"), ("2:0:1:5", "sdb", "running"), ("2:0:2:0", None, "running")]
    assert scsi.units[2].absent == {"disk": "no disk hangs on it"} and absent == {}
    assert [(one.disk, one.address) for one in blocks] \
        == [("sda", machine.disks[0].queue), ("sdb", machine.disks[1].queue)]
    assert machine.driver().display_name() == "host2" and driver_kind(8) is ScsiDriver


@pytest.mark.parametrize("state, word, active", [(1, "created", False), (5, "recovery", True),
                                                 (7, "del_recovery", True), (99, "state_99", False)])
def test_the_error_handler_at_work(state, word, active):
    machine = ScsiMachine()
    machine.guest.set("Scsi_Host", machine.host, shost_state=state, host_failed=3, host_blocked=1)
    scsi, _, _ = fields(machine)
    assert (scsi.state, scsi.eh_active, scsi.failed, scsi.blocked) == (word, active, 3, 1)


def test_a_unit_that_is_offline_and_one_of_another_host():
    machine = ScsiMachine()
    machine.guest.set("scsi_device", machine.units[0], sdev_state=6)
    machine.guest.set("scsi_device", machine.units[1], host=0x666)
    units = fields(machine)[0].units
    assert units[0].state == "offline"
    assert units[1].state is None and units[1].absent["state"] == "it belongs to another host"


@pytest.mark.parametrize("release", RELEASES)
def test_a_command_in_flight(release):
    machine = ScsiMachine(release)
    token = machine.command(1, 9)
    found = machine.driver().request("request", 4, token)
    assert (found.head, found.token, found.kind, found.tag, found.operation, found.sector, found.bytes, found.state) \
        == (4, token, "scsi", 9, "write", 72, 4096, "in_flight")
    assert (found.unit, found.cdb, found.age_ns) == ("2:0:1:5", "2a000000201000000800", 10_000_000)
    assert set(found.absent) == {"issued_ns"}


@pytest.mark.parametrize("subtype, word", [(0, "abort"), (5, "reset"), (6, "tmf_6")])
@pytest.mark.parametrize("machine, order", [
    (ScsiMachine("5.10"), "<"), (ScsiMachine("7.2"), "<"), (ScsiMachine(byte_order="big"), "<"),
    (ScsiMachine(byte_order="big", features=0), ">"), (ScsiMachine(features=0), "<")])
def test_task_management(machine, order, subtype, word):
    token = machine.management(subtype, bytes([1, 1, 0x40, 5, 0, 0, 0, 0]), order)
    found = machine.driver().request("control", 0, token)
    assert (found.kind, found.operation, found.unit, found.token, found.absent) == ("scsi", word, "2:0:1:5", token, {})


def test_what_on_the_control_queue_is_no_task_management():
    machine = ScsiMachine()
    found = machine.driver().request("control", 0, machine.management(0, b"", kind=2))
    assert found.kind is None and "no task management" in found.absent["kind"]
    found = machine.driver().request("control", 0, machine.management(0, b"\2\0\0\0\0\0\0\0"))
    assert found.operation == "abort" and found.unit is None and "0200000000000000" in found.absent["unit"]


def test_an_event_is_a_posted_buffer():
    machine = ScsiMachine()
    assert machine.driver().request("event", 3, 0x1234).kind == "buffer"


@pytest.mark.parametrize("spoil, why", [
    (lambda machine, sc: machine.guest.set("scsi_device", machine.units[0], host=0x666), "no command of this host"),
    (lambda machine, sc: machine.guest.set("scsi_device", machine.units[0], request_queue=0x666), "no command of"),
    (lambda machine, sc: machine.guest.set("scsi_cmnd", sc, device=0), "NULL"),
    (lambda machine, sc: machine.guest.set("scsi_cmnd", sc, device=0xDEAD0000), "not in the dump"),
    (lambda machine, sc: machine.guest.set("virtio_scsi_cmd", sc + machine.guest.size_of("struct scsi_cmnd"), sc=0),
     "sc is NULL"),
])
def test_what_is_no_command_of_this_host(spoil, why):
    machine = ScsiMachine()
    token = machine.command(0, 1)
    spoil(machine, token - machine.guest.size_of("struct scsi_cmnd"))
    found = machine.driver().request("request", 0, token)
    assert found.kind is None and why in found.absent["kind"] and found.token == token


@pytest.mark.parametrize("release", ["5.10", "6.1"])
@pytest.mark.parametrize("length", [0, 261, 0xFFFF])
def test_a_length_that_no_command_has(release, length):
    machine = ScsiMachine(release)
    token = machine.command(0, 1)
    machine.guest.set("scsi_cmnd", token - machine.guest.size_of("struct scsi_cmnd"), cmd_len=length)
    found = machine.driver().request("request", 0, token)
    assert found.tag == 1 and found.cdb is None and f"{length} bytes" in found.absent["cdb"]


def test_a_pointer_to_the_host_that_leads_elsewhere():
    machine = ScsiMachine()
    machine.guest.set("virtio_device", machine.device, priv=machine.guest.struct("Scsi_Host", "another"))
    scsi, blocks, absent = fields(machine)
    assert scsi is None and "not the SCSI host" in absent["scsi"] and len(blocks) == 2


def test_without_the_types_of_scsi_the_disks_are_told():
    machine = ScsiMachine()
    driver, token = machine.driver(), machine.command(0, 1)
    for name in ("Scsi_Host", "scsi_device", "scsi_cmnd", "virtio_scsi_cmd"):
        del machine.guest.types[f"struct {name}"]
    scsi, blocks, absent = fields(machine, driver)
    assert scsi is None and "struct Scsi_Host" in absent["scsi"] and [one.disk for one in blocks] == ["sda", "sdb"]
    assert "struct virtio_scsi_cmd" in driver.request("request", 0, token).absent["kind"]


def test_what_hangs_below_is_not_known():
    machine = ScsiMachine()
    driver = machine.driver()
    driver.device = driver.device._replace(why_none_below="a list does not close")
    scsi, blocks, absent = fields(machine, driver)
    assert scsi.state == "running" and scsi.units is None and scsi.absent["units"] == "a list does not close"
    assert blocks is None and absent["block"] == "a list does not close"


def rings(machine, driver, *tokens, queues=4):
    """Read all queues of the host, the last with those in flight."""
    for index in range(queues):
        found = [driver.request("request", head, token) for head, token in enumerate(tokens)] if index == 3 else []
        last = driver.about_queue(Queue(queue_index=index, role="request", in_flight=found))
    return last


def test_a_command_that_was_started_and_is_on_no_ring_waits():
    machine = ScsiMachine()
    on_ring = machine.command(0, 1)
    machine.command(0, 2)  # as one that the error handler has taken back
    machine.command(1, 3)
    driver = machine.driver()
    rings(machine, driver, on_ring)
    assert [[one.tag for one in disk.waiting] for disk in fields(machine, driver)[1]] == [[2], [3]]


def test_what_is_on_rings_is_not_guessed_where_one_was_not_read():
    machine = ScsiMachine()
    tokens = [machine.command(0, 1), machine.command(0, 2)]
    driver = machine.driver()
    rings(machine, driver, tokens[0], queues=3)
    assert [disk.waiting_count for disk in fields(machine, driver)[1]] == [0, 0]
    driver = machine.driver()
    rings(machine, driver, tokens[0], 0xDEAD0000)
    assert [disk.waiting_count for disk in fields(machine, driver)[1]] == [0, 0]


def test_tasks_are_looked_for_with_the_oldest_requests():
    machine = ScsiMachine()
    tokens = [machine.command(0, tag) for tag in range(MAX_TASKS + 8)]
    found = rings(machine, machine.driver(), *tokens).in_flight
    assert [one.head for one in found] == list(range(len(tokens)))
    skipped = [one.tag for one in found if "oldest" in one.absent["task"]]
    assert skipped == list(range(8))  # the higher its tag, the older the made-up request
    assert "no bio" in found[-1].absent["task"]


def test_commands_are_read_in_bulk():
    machine = ScsiMachine()
    tokens = [machine.command(0, tag) for tag in range(64)]
    driver = machine.driver()
    machine.guest.reads.clear()
    found = [driver.request("request", head, token) for head, token in enumerate(tokens)]
    assert all(one.unit == "2:0:0:0" for one in found)
    assert len(machine.guest.reads) < 64
