"""Which snapshots of a folder belong to one VM."""
from tests.builders import fleet, pair
from vqcheck.check.fleet import Named, group


def named(*snapshots):
    return [Named(f"{place}.json", one) for place, one in enumerate(snapshots)]


def vm(uuid, **changes):
    return [one._replace(target=one.target._replace(uuid=uuid, name=None)) for one in pair(**changes)]


def test_one_uuid_is_one_vm():
    first, second = vm("a" * 8), vm("B" * 8)
    found = group(named(first[0], second[1], first[1], second[0]))
    assert [[one.file for one in vm.snapshots] for vm in found] == [["0.json", "2.json"], ["1.json", "3.json"]]
    assert all(one.whole for one in found)


def test_without_uuid_the_rings_tell():
    (guest, host), (other, another) = vm(None), [one._replace(target=one.target._replace(uuid=None, name=None))
                                                 for one in fleet(2, 1)]
    found = group(named(another, guest, other, host))
    assert sorted(sorted(one.file for one in vm.snapshots) for vm in found) == [["0.json", "2.json"],
                                                                                ["1.json", "3.json"]]


def test_two_vms_with_the_same_rings_are_not_guessed():
    guest, host = vm(None)
    found = group(named(host, host, guest))
    assert len(found) == 3 and not any(one.whole for one in found)


def test_a_guest_without_uuid_joins_the_host_that_has_one():
    (guest, _), (_, host) = vm(None), vm("c" * 8)
    (found,) = group(named(guest, host))
    assert found.whole and found.name == "c" * 8
