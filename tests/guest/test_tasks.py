"""Who waits for a request: each way in which one can tell, and all that is no task."""
import pytest

from tests.guest.made.block import block_guest
from tests.guest.made.declare import Types
from vqcheck.guest.tasks import Tasks
from vqcheck.target.errors import Corrupt, NotSupported, Unreadable
from vqcheck.target.view import View

TYPES = """
struct bio { ptr bi_next; u32 bi_opf; ptr bi_end_io; ptr bi_private; }
struct task_struct { long state; u32 pid; char comm[16]; list thread_node; char rest[9000]; }
part submit { ptr iter; ptr waiter; }
struct iomap_dio { ptr iocb; bool wait_for_completion; submit submit; }
struct dio { u32 flags; ptr waiter; }
union either { ptr iocb; ptr waiter; }
struct swait_queue { ptr task; list task_list; }
struct wait_queue_entry { u32 flags; ptr private; ptr func; list entry; }
part swait_queue_head { u32 lock; list task_list; }
part wait_queue_head { u32 lock; list head; }
"""
DIO_5_10 = "struct blkdev_dio { either _; long size; u32 ref; u32 bits; }"
DIO = DIO_5_10.replace("u32 bits", "u32 flags")
SIMPLE = "struct completion { u32 done; swait_queue_head wait; }"
FULL = "struct completion { u32 done; wait_queue_head wait; }"
OLD = """part old_head { u32 lock; list task_list; }
struct __wait_queue { u32 flags; ptr private; ptr func; list task_list; }
struct completion { u32 done; old_head wait; }"""

FUNCTIONS = ("submit_bio_wait_endio", "bio_wait_end_io", "blkdev_bio_end_io_simple", "blkdev_bio_end_io",
             "blkdev_bio_end_io_async", "iomap_dio_bio_end_io", "dio_bio_end_io", "dio_bio_end_aio", "bio_chain_endio",
             "ext4_end_bio", "blk_end_sync_rq", "flush_end_io")


def guest_with(*more, release="6.1", byte_order="little", pointer_size=8):
    guest = block_guest(release, byte_order, pointer_size)
    text = "".join((guest.kernel.text(pointer_size), TYPES, *(more or (DIO, SIMPLE))))
    request = guest.types["struct request"]
    Types(guest).declare(text)
    guest.types["struct request"] = request
    for number, name in enumerate(FUNCTIONS):
        guest.symbols[name] = 0x500000 + 16 * number
    return guest


def task(guest, pid=440, comm=b"dd"):
    at = guest.struct("task_struct", "task", pid=pid, comm=comm.ljust(16, b"\0"))
    head = guest.new("signal->thread_head", bytes(2 * guest.pointer_size))
    guest.link(head, [at + guest.offset("task_struct", "thread_node")])
    return at


def bio(guest, end_io, private):
    return guest.struct("bio", "bio", bi_end_io=guest.symbols.get(end_io, 0), bi_private=private)


def waiter_of(guest, **values):
    return Tasks(guest).waiter(View(guest, "struct request", guest.struct("request", "request", **values)))


def waiter(guest, end_io, private):
    return waiter_of(guest, bio=bio(guest, end_io, private))


def completion(guest, kind, head, link, field, sleeper):
    at = guest.struct("completion", "completion")
    entry = guest.struct(kind, "entry", **{field: sleeper})
    guest.link(at + guest.offset("completion", head), [entry + guest.offset(kind, link)])
    return at


COMPLETIONS = [(SIMPLE, "swait_queue", "wait.task_list", "task_list", "task"),
               (FULL, "wait_queue_entry", "wait.head", "entry", "private"),
               (OLD, "__wait_queue", "wait.task_list", "task_list", "private")]


@pytest.mark.parametrize("end_io", ["submit_bio_wait_endio", "bio_wait_end_io"])
@pytest.mark.parametrize("order, width", [("little", 8), ("big", 8), ("big", 4)])
@pytest.mark.parametrize("types, kind, head, link, field", COMPLETIONS)
def test_the_first_on_a_completion(types, kind, head, link, field, order, width, end_io):
    guest = guest_with(DIO, types, byte_order=order, pointer_size=width)
    assert waiter(guest, end_io, completion(guest, kind, head, link, field, task(guest))) == (440, "dd")


def test_a_completion_on_which_nobody_sleeps():
    guest = guest_with()
    at = guest.struct("completion", "completion")
    guest.link(at + guest.offset("completion", "wait.task_list"), [])
    with pytest.raises(NotSupported, match="nobody sleeps"):
        waiter(guest, "submit_bio_wait_endio", at)


def test_a_command_to_the_drive_by_the_request_itself():
    guest = guest_with()
    at = completion(guest, *COMPLETIONS[0][1:], task(guest, 7, b"kworker/0:1"))
    assert waiter_of(guest, end_io=guest.symbols["blk_end_sync_rq"], end_io_data=at) == (7, "kworker/0:1")


def test_direct_io_of_few_pages():
    guest = guest_with()
    assert waiter(guest, "blkdev_bio_end_io_simple", task(guest)) == (440, "dd")


@pytest.mark.parametrize("types, values", [(DIO, {"flags": 2}), (DIO, {"flags": 3}), (DIO_5_10, {})])
def test_direct_io_on_a_block_device(types, values):
    guest = guest_with(types, SIMPLE)
    dio = guest.struct("blkdev_dio", "dio", waiter=task(guest), **values)
    assert waiter(guest, "blkdev_bio_end_io", dio) == (440, "dd")


def test_direct_io_on_a_file_system():
    guest = guest_with()
    dio = guest.struct("iomap_dio", "dio", wait_for_completion=1, submit__waiter=task(guest))
    assert waiter(guest, "iomap_dio_bio_end_io", dio) == (440, "dd")
    dio = guest.struct("dio", "dio", waiter=task(guest, 3))
    assert waiter(guest, "dio_bio_end_io", dio) == (3, "dd")


@pytest.mark.parametrize("end_io, kind", [
    ("blkdev_bio_end_io", "blkdev_dio"), ("blkdev_bio_end_io_async", "blkdev_dio"),
    ("iomap_dio_bio_end_io", "iomap_dio"), ("dio_bio_end_aio", "dio")])
def test_nobody_sleeps_for_asynchronous_io(end_io, kind):
    guest = guest_with()
    with pytest.raises(NotSupported, match="asynchronous"):
        waiter(guest, end_io, guest.struct(kind, "dio"))


def test_an_iocb_is_no_task():
    guest = guest_with(DIO_5_10, SIMPLE)
    iocb = guest.new("kiocb", b"\1" * 64 + bytes(10000))
    with pytest.raises(Corrupt, match="is none"):
        waiter(guest, "blkdev_bio_end_io", guest.struct("blkdev_dio", "dio", iocb=iocb))


def test_direct_io_for_which_nobody_sleeps_yet():
    guest = guest_with()
    with pytest.raises(NotSupported, match="nobody sleeps yet or any more until dio_bio_end_io"):
        waiter(guest, "dio_bio_end_io", guest.struct("dio", "dio"))


def test_chained_bios_lead_to_the_last_one():
    guest = guest_with()
    last = bio(guest, "blkdev_bio_end_io_simple", task(guest))
    assert waiter(guest, "bio_chain_endio", bio(guest, "bio_chain_endio", last)) == (440, "dd")


def test_chained_bios_without_end():
    guest = guest_with()
    first = bio(guest, "bio_chain_endio", 0)
    guest.set("bio", first, bi_private=first)
    with pytest.raises(Corrupt, match="bios hang"):
        waiter(guest, "bio_chain_endio", first)


@pytest.mark.parametrize("end_io, why", [
    ("ext4_end_bio", r"ends in ext4_end_bio\(\), which names no task"), ("unheard of", "no end_io")])
def test_page_cache_and_the_like_name_no_task(end_io, why):
    with pytest.raises(NotSupported, match=why):
        waiter(guest_with(), end_io, 0x1234)


def test_a_function_without_a_name_is_told_by_its_address():
    guest = guest_with()
    with pytest.raises(NotSupported, match="0x777000"):
        waiter_of(guest, bio=guest.struct("bio", "bio", bi_end_io=0x777000))


@pytest.mark.parametrize("end_io, why", [("", "carries no bio that would name a task$"),
                                         ("flush_end_io", "flush_end_io")])
def test_a_request_without_a_bio(end_io, why):
    guest = guest_with()
    with pytest.raises(NotSupported, match=why):
        waiter_of(guest, end_io=guest.symbols.get(end_io, 0))


@pytest.mark.parametrize("pid, comm", [(0, b"dd"), (1 << 31, b"dd"), (1 << 22, b"dd"), (5, b""), (5, b"x" * 16),
                                       (5, b"d\x1bd")])
def test_what_is_no_task(pid, comm):
    guest = guest_with()
    with pytest.raises(Corrupt, match="is none"):
        waiter(guest, "blkdev_bio_end_io_simple", task(guest, pid, comm))


def test_a_task_whose_threads_do_not_lead_back_to_it():
    guest = guest_with()
    one = task(guest)
    guest.poke(one + guest.offset("task_struct", "thread_node"), guest.pointer(guest.new("other", bytes(16))))
    with pytest.raises(Corrupt, match="is none"):
        waiter(guest, "blkdev_bio_end_io_simple", one)


def test_a_name_that_is_no_utf_8_is_escaped():
    guest = guest_with()
    assert waiter(guest, "blkdev_bio_end_io_simple", task(guest, 5, b"d\xff")).comm == "d\\xff"


@pytest.mark.parametrize("end_io", ["submit_bio_wait_endio", "blkdev_bio_end_io_simple", "blkdev_bio_end_io"])
def test_what_is_not_in_the_dump(end_io):
    with pytest.raises(Unreadable):
        waiter(guest_with(), end_io, 0xDEAD0000)
    with pytest.raises(Unreadable):
        waiter_of(guest_with(), bio=0xDEAD0000)


def test_each_task_is_looked_at_once():
    guest = guest_with()
    tasks, one = Tasks(guest), task(guest)
    request = View(guest, "struct request",
                   guest.struct("request", "request", bio=bio(guest, "blkdev_bio_end_io_simple", one)))
    first = tasks.waiter(request)
    guest.forget(one)
    assert tasks.waiter(request) == first == (440, "dd")
