"""`vqcheck inspect` on doubles of the VM and of the walkers: no drgn is needed here, as it is an option."""
import json
import sys
import types

import pytest

from tests.builders import fleet, guest_snapshot, host_snapshot, incident, pair
from tests.fake_target import FakeTarget
from vqcheck.check.judge import judge
from vqcheck.cli import inspect
from vqcheck.guest.choose import UnknownDevice as UnknownToGuest
from vqcheck.host.devices import UnknownDevice as UnknownToHost
from vqcheck.render.report import verdict_text
from vqcheck.snapshot.write import to_json
from vqcheck.target.errors import TargetError

OPENER = "vqcheck.target.by_drgn.process"
GUESTS_NAMES, HOSTS_NAMES = {"vdb": 0, "/dev/vdb": 0}, {"virtio-disk1": 0}


class World:
    """What both sides have, and what was asked of them."""

    def __init__(self, guest, host):
        self.guest, self.host = guest, host
        self.asked = []
        self.runs = False
        self.notes = ["no debug information for the modules x"]

    def take_guest(self, target, name=None):
        self.asked.append(("guest", name))
        if name is not None and name not in GUESTS_NAMES:
            raise UnknownToGuest(f"this guest has no virtio device {name!r}")
        return self._one(self.guest, GUESTS_NAMES.get(name))

    def take_host(self, target, name=None):
        self.asked.append(("host", name))
        return self._one(self.host, HOSTS_NAMES.get(name))

    def choose(self, every, name):
        if name not in HOSTS_NAMES:
            raise UnknownToHost(f"this QEMU has no virtio device {name!r}")

    @staticmethod
    def _one(snapshot, index):
        return snapshot if index is None else snapshot._replace(devices=[snapshot.devices[index]])


@pytest.fixture
def world(monkeypatch):
    """The incident's disk is one of two."""
    healthy = pair()
    guest, host = incident()
    guest = guest_snapshot([*guest.devices, *(one._replace(name="vda") for one in _moved(healthy[0]).devices)])
    host = host_snapshot([*host.devices, *(one._replace(name="virtio-disk0") for one in _moved(healthy[1]).devices)])
    found = World(guest, host)
    closed = types.SimpleNamespace(close=lambda: found.asked.append("closed"), missing=[], pieces=[])
    monkeypatch.setattr(inspect, "open_vm", lambda options: types.SimpleNamespace(
        target=FakeTarget(), held=closed, runs=found.runs))
    monkeypatch.setattr(inspect, "_open_guest", lambda vm, options: (FakeTarget(), found.notes))
    monkeypatch.setattr(inspect, "missing", lambda vm: [])
    monkeypatch.setattr(inspect.guest_walker, "take", found.take_guest)
    monkeypatch.setattr(inspect.host_walker, "take", found.take_host)
    monkeypatch.setattr(inspect.host_devices, "devices", lambda target: [])
    monkeypatch.setattr(inspect.host_devices, "choose", found.choose)
    return found


def _moved(snapshot):
    """The same queue at another place."""
    def elsewhere(queue):
        return queue._replace(rings=queue.rings._replace(desc=type(queue.rings.desc)(queue.rings.desc + 0x100000)))
    return snapshot._replace(devices=[
        one._replace(queues=list(map(elsewhere, one.queues)), bus=one.bus and one.bus._replace(address="0000:00:1f.0"))
        for one in snapshot.devices])


def judged(guest, host):
    """The verdict on what was read at one stopped instant."""
    return judge(*inspect._of_one_instant(guest, host))


def test_all_devices_with_those_that_are_well_only_counted(world, vqcheck):
    status, out, err = vqcheck("inspect", "--core", "c")
    verdict = judged(world.guest, world.host)
    assert len(verdict.queues) == 2 and (status, out) == (1, verdict_text.show(verdict))
    assert "1 of 2 queues told in full" in out and err == "vqcheck inspect: no debug information for the modules x\n"
    assert world.asked == [("guest", None), ("host", None), "closed"]


def test_all_devices_in_full(world, vqcheck):
    _, out, _ = vqcheck("inspect", "--core", "c", "--all")
    assert out == verdict_text.show(judged(world.guest, world.host), every=True) and "vda = virtio-disk0" in out


@pytest.mark.parametrize("name, of", [("vdb", "guest"), ("/dev/vdb", "guest"), ("virtio-disk1", "host")])
def test_one_device_by_either_sides_name_and_its_partner(world, vqcheck, name, of):
    status, out, _ = vqcheck("inspect", "--core", "c", name)
    assert (status, out) == (1, verdict_text.show(judged(*incident())))
    other = "host" if of == "guest" else "guest"
    assert (of, name) in world.asked and (other, None) in world.asked


def test_a_device_that_is_well_is_shown_when_asked_for(world, vqcheck):
    world.guest, world.host = pair()
    status, out, _ = vqcheck("inspect", "--core", "c", "vdb")
    assert (status, out) == (0, verdict_text.show(judged(*pair())))


def test_a_name_that_nobody_knows(world, vqcheck):
    status, out, err = vqcheck("inspect", "--core", "c", "vdx")
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == ("vqcheck: this guest has no virtio device 'vdx'; and this QEMU has no virtio "
                                    "device 'vdx'")
    assert world.asked[-1] == "closed"


def test_a_device_without_a_partner(world, vqcheck):
    world.host = world.host._replace(devices=world.host.devices[1:])
    status, out, _ = vqcheck("inspect", "--core", "c", "vdb")
    assert status == 2 and "no queue in common" in out


def test_the_snapshots_are_kept(world, vqcheck, tmp_path):
    _, _, err = vqcheck("inspect", "--core", "c", "vdb", "--keep", tmp_path / "new")
    for side, name in zip(inspect._of_one_instant(world.guest, world.host), ("guest.json", "host.json")):
        assert (tmp_path / "new" / name).read_text() == to_json(side._replace(devices=side.devices[:1]))
    assert f"snapshots written to {tmp_path / 'new'}: guest.json, host.json" in err


def test_for_programs(world, vqcheck):
    status, out, _ = vqcheck("inspect", "--core", "c", "--format", "json")
    assert (status, json.loads(out)["status"], len(json.loads(out)["queues"])) == (1, "fault", 2)


def test_what_a_person_saw(world, vqcheck):
    guest, host = incident()
    (queue,) = guest.devices[0].queues
    ageless = queue._replace(in_flight=[one._replace(age_ns=None) for one in queue.in_flight])
    world.guest, world.host = guest._replace(devices=[guest.devices[0]._replace(queues=[ageless])]), host
    assert vqcheck("inspect", "--core", "c")[0] == 2
    status, out, _ = vqcheck("inspect", "--core", "c", "--stuck", "fio stands still")
    assert status == 1 and "fio stands still" in out


def test_a_live_vm_is_read_in_turns(world, vqcheck):
    world.runs = True
    vqcheck("inspect", "--pid", "7", "vdb")
    assert world.asked[-5:] == [("guest", "vdb"), ("host", None), ("guest", "vdb"), ("host", None), "closed"]


@pytest.fixture
def looks(world, monkeypatch):
    """Looks at a VM that runs, one after the other; the clock goes on by as much as is slept."""
    def set_up(*sides):
        world.runs, world.notes = True, ["it runs"]
        given = iter(sides)

        def one(options, notes=True):
            guest, host = next(given)
            return inspect.Sides(*(side._replace(capture=side.capture._replace(
                method="live", clock_ns=5_000_000_000 + int(slept * 1e9), time=f"2026-03-01T12:00:{int(slept):02d}Z"))
                for side in (guest, host)))
        monkeypatch.setattr(inspect, "both_sides", one)

    def sleep(seconds):
        nonlocal slept
        slept += seconds
    slept = 0
    monkeypatch.setattr(inspect.time, "sleep", sleep)
    return set_up


YOUNG = {"avail": 104, "popped": 104, "used": 104, "last_used": 100, "age_ns": 2_000_000}


def test_a_vm_that_runs_is_looked_at_once_where_that_does(looks, vqcheck):
    looks(pair())
    status, _, err = vqcheck("inspect", "--pid", "7", "vdb")
    assert (status, err) == (0, "")


def test_what_stands_still_between_two_looks_is_lost(looks, vqcheck, tmp_path):
    looks(pair(**YOUNG), pair(**YOUNG))
    status, out, err = vqcheck("inspect", "--pid", "7", "vdb", "--keep", tmp_path)
    assert status == 1 and "2 captures over 2.5 s: last_used_idx stays where it is" in " ".join(out.split())
    assert err == ("vqcheck inspect: it can't be judged by 1 look: looking again in 2.5 s\n"
                   f"vqcheck inspect: snapshots written to {tmp_path}: guest.json, host.json, guest2.json, "
                   "host2.json\n")
    assert vqcheck("merge", *sorted(tmp_path.iterdir()))[0] == 1


def test_what_goes_on_between_two_looks_is_not(looks, vqcheck):
    looks(pair(**YOUNG), pair(**{**YOUNG, "avail": 204, "popped": 204, "used": 204, "last_used": 201}))
    status, out, _ = vqcheck("inspect", "--pid", "7", "vdb")
    assert status == 0 and "the driver has gone on since the capture before" in " ".join(out.split())


def test_it_is_looked_at_no_oftener_than_was_asked_for(looks, vqcheck):
    ageless = pair(avail=104, popped=104, used=103, guest_queue={"in_flight": None}, host_queue={"held": None})
    looks(ageless, ageless)
    status, _, err = vqcheck("inspect", "--pid", "7", "vdb", "--looks", "2")
    assert status == 2 and err.count("looking again") == 1
    looks(ageless, ageless, ageless)
    assert vqcheck("inspect", "--pid", "7", "vdb")[0] == 1, "five seconds without an answer"
    assert vqcheck("inspect", "--pid", "7", "--looks", "0")[0] == 2


def test_a_walk_that_fails_gives_back_the_files(world, refused, monkeypatch):
    def fail(target, name=None):
        raise TargetError("the guest's memory is damaged")
    world.notes = []
    monkeypatch.setattr(inspect.guest_walker, "take", fail)
    assert refused("inspect", "--core", "c") == "the guest's memory is damaged"
    assert world.asked == ["closed"]


@pytest.mark.parametrize("words", [[], ["vdb"], ["--core", "c", "--pid", "1"],
                                   ["--core", "c", "--stuck", " "]])
def test_words_that_make_no_sense(refused, words):
    assert "see `vqcheck inspect --help`" in refused("inspect", *words)


def test_without_drgn(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "drgn", None)
    monkeypatch.delitem(sys.modules, OPENER, raising=False)
    for verb in ("inspect", "vmcore"):
        assert refused(verb, "--core", "c", "-o", "x") == "drgn is not installed: pip install 'vqcheck[drgn]'"


def test_a_fleet_of_which_nothing_hangs(world, vqcheck):
    world.guest, world.host = fleet(3, 4)
    status, out, _ = vqcheck("inspect", "--core", "c")
    verdict = judge(world.guest, world.host)
    assert status == verdict.exit_status and out.startswith(verdict_text.STATUS[verdict.status])
