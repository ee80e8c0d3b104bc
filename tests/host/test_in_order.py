"""With IN_ORDER: what is done and waits for its turn, on recordings of a real QEMU; then with its book spoiled."""
import pytest

from tests import recordings
from tests.host.test_bad_memory import disk, spoil

KERNEL = recordings.KERNELS / "7.2"
ELEMENT = "struct VirtQueueElement"


def book(recorded, queue):
    """Addresses of the elements that are popped and not returned, in the ring's order; each takes one descriptor."""
    size = recorded.sizes[ELEMENT]
    read = sorted(address for (_, address), raw in recorded.memory.items() if len(raw) == size)
    (run,) = [read[at:at + queue.device.inuse] for at in range(len(read) - queue.device.inuse + 1)
              if read[at + queue.device.inuse - 1] - read[at] == size * (queue.device.inuse - 1)]
    return run


def held(recorded):
    """The disk's queue."""
    (queue,) = disk(recorded).queues
    return queue


@pytest.fixture(params=["backend-stuck-in-order", "backend-stuck-in-order-packed"])
def stuck(request):
    """One request hangs, and those behind it are done."""
    return recordings.bundle(request.param, "host", KERNEL)


def holders(queue):
    """Who has the elements, in the order in which they came."""
    return [one.holder for one in sorted(queue.held.requests, key=lambda one: one.head)]


def test_the_first_is_with_the_storage_and_the_others_wait_for_it(stuck):
    queue = held(stuck)
    assert holders(queue) == ["block layer"] + ["in order"] * (queue.device.inuse - 1) and queue.device.inuse > 1
    assert queue.held.complete and "used_elems" in queue.held.looked_in[-1]


def test_what_is_done_at_the_front_was_not_flushed():
    queue = held(recordings.bundle("lost-flush-in-order", "host", KERNEL))
    assert holders(queue) == ["unflushed"] * queue.device.inuse and queue.held.complete and queue.device.inuse > 1


def test_one_that_is_not_done_parts_those_before_it_from_those_behind_it():
    recorded = recordings.bundle("lost-flush-in-order", "host", KERNEL)
    second = book(recorded, held(recorded))[1]
    spoil(recorded, second, "in_order_filled", ELEMENT, 0)
    queue = held(recorded)
    assert holders(queue) == ["unflushed"] + ["in order"] * (queue.device.inuse - 2)
    assert queue.held.complete  # so that the second, which nobody has, is known to be lost


def test_a_book_that_can_not_be_right_leaves_the_search_incomplete(stuck):
    first = book(stuck, held(stuck))[0]
    spoil(stuck, first, "ndescs", ELEMENT, 0)
    queue = held(stuck)
    assert holders(queue) == ["block layer"] and not queue.held.complete
    assert "takes 0 descriptors" in queue.held.absent["complete"]


def test_without_in_order_the_book_is_not_looked_at():
    for scene in ("backend-stuck", "lost-interrupt-packed"):
        queue = held(recordings.bundle(scene, "host", recordings.QEMUS / "10.0"))
        assert not any("used_elems" in place for place in queue.held.looked_in)
