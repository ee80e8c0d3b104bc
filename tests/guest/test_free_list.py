"""The list of free descriptors, which with those in flight must make up the whole queue."""
import pytest

from tests.guest import machine as made
from tests.guest.machine import machine
from vqcheck.guest.rings import walk_free_list
from vqcheck.guest.snapshot import take


@pytest.mark.parametrize("following, head, num_free, found", [
    ([1, 2, 3, 0], 0, 4, (4, None)),
    ([1, 2, 3, 77], 0, 4, (4, None)),  # the last link is never followed
    ([1, 2, 3, 0], 2, 2, (2, None)),
    ([1, 0, 3, 0], 0, 4, (2, "it comes back to descriptor 0")),
    ([0, 0, 0, 0], 0, 4, (1, "it comes back to descriptor 0")),
    ([1, 9, 3, 0], 0, 4, (2, "it leads to descriptor 9 in a queue of 4")),
    ([1, 2, 3, 0], 4, 1, (0, "it leads to descriptor 4 in a queue of 4")),
    ([1, 2, 3, 0], 9, 0, (0, None)),  # a full queue: free_head is left over
    ([1, 2, 3, 0], 0, 1 << 32, (4, "it comes back to descriptor 0")),
    ([], 0, 3, (0, "it leads to descriptor 0 in a queue of 0")),
])
def test_a_list_of_links(following, head, num_free, found):
    assert walk_free_list(following, head, num_free) == found


@pytest.mark.parametrize("release", ["4.18", "5.10"])
def test_before_linux_5_14_the_links_lie_in_the_table_that_the_device_can_write(release):
    target = machine(release)
    target.poke(made.DESC + 16 * 3 + 14, target.encode(2, 2))
    driver = take(target, "vdb").devices[0].queues[0].driver
    assert (driver.free_list, driver.free_list_problem) == (3, "it comes back to descriptor 2")


@pytest.mark.parametrize("release", ["6.1", "7.2"])
def test_since_then_what_the_table_says_is_of_no_account(release):
    target = machine(release)
    target.poke(made.DESC + 16 * 3 + 14, target.encode(2, 2))
    driver = take(target, "vdb").devices[0].queues[0].driver
    assert (driver.free_list, driver.free_list_problem) == (124, None)


@pytest.mark.parametrize("release, is_packed", [("5.10", True), ("6.1", False), ("6.1", True), ("7.2", True)])
def test_the_drivers_own_links(release, is_packed):
    target = machine(release, is_packed=is_packed)
    kind = "vring_desc_state_packed" if release == "5.10" else "vring_desc_extra"
    label = "desc_state" if release == "5.10" else "desc_extra"
    links = next(at for at, one in target.labels.items() if one == label)
    target.poke(links + 4 * target.type_size(f"struct {kind}") + target.offset(kind, "next"), target.encode(200, 2))
    driver = take(target, "vdb").devices[0].queues[0].driver
    assert (driver.free_list, driver.free_list_problem) == (4, "it leads to descriptor 200 in a queue of 128")


def test_a_list_that_is_not_in_the_dump():
    target = machine("5.10")
    target.forget(made.DESC)
    driver = take(target, "vdb").devices[0].queues[0].driver
    assert driver.free_list is None and driver.absent["free_list"] == "the descriptor table is not known"
