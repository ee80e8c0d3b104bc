"""Memory that is missing, cut off or overwritten: a snapshot with reasons, or a TargetError, and nothing else."""
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.guest.machine import RELEASES, WITH_PACKED_RINGS, machine
from vqcheck.guest.choose import UnknownDevice
from vqcheck.guest.snapshot import take
from vqcheck.snapshot.read import read
from vqcheck.snapshot.write import to_json
from vqcheck.target.errors import TargetError, Unreadable

KINDS = [(release, is_packed) for release in RELEASES for is_packed in (False, True)
         if not is_packed or release in WITH_PACKED_RINGS]
NAMES = [f"{release}{' packed' if is_packed else ''}" for release, is_packed in KINDS]
GUESTS = [machine(release, is_packed=is_packed) for release, is_packed in KINDS]
LAYOUTS = pytest.mark.parametrize("whole", GUESTS, ids=NAMES)

OF_THE_BUS = ("bus_kset", "pointer to bus_kset", "bus ", "struct virtio_device of ", "private of virtio")
BUS_NAMES = [f"the text {name}" for name in ("pci", "virtio", "scsi")]
"""Labels of memory without which there is no list of devices: the bus is found by its name among all buses."""

MAX_READS = 200_000
NUMBER = st.integers(0, 1 << 30)
OVERWRITTEN = st.lists(st.tuples(NUMBER, NUMBER, st.binary(min_size=1, max_size=8)), min_size=1, max_size=8)
LED_ASTRAY = st.lists(st.tuples(NUMBER, NUMBER, NUMBER, st.sampled_from([0, 1, 2, 8, 0x14, 0x1E])),
                      min_size=1, max_size=6)
"""Which pointer, where to, how far into it, and low bits, which are marks in trees."""


def some(changes):
    """A property of some random changes; the time that one takes depends on the machine's load."""
    def wrapped(test):
        return settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))(given(changes)(test))
    return wrapped


def walk(target):
    """The snapshot: one that a reader takes, made with few reads, and with reasons that say something."""
    snapshot = take(target)
    assert len(target.reads) < MAX_READS
    reasons(snapshot)
    read(to_json(snapshot).encode())
    return snapshot


def reasons(record):
    """Every reason of a record and of those inside is a text, and is given for a field that it has."""
    if isinstance(record, (list, tuple)):
        for one in record:
            reasons(one)
    for field, reason in getattr(record, "absent", {}).items():
        assert field in record._fields and reason.strip(), (type(record).__name__, field, reason)


def needed(label):
    """Whether the list of devices needs a piece of memory."""
    return label.startswith(OF_THE_BUS) or label in BUS_NAMES


@LAYOUTS
def test_each_piece_of_memory_missing_in_turn(whole):
    for at, label in whole.labels.items():
        target = whole.copy()
        target.forget(at)
        try:
            assert len(walk(target).devices) == 1 or needed(label), label
        except TargetError as problem:
            assert needed(label), (label, problem)


@LAYOUTS
def test_each_piece_of_memory_cut_off_in_the_middle(whole):
    for at, label in whole.labels.items():
        target = whole.copy()
        del target.memory[at][len(target.memory[at]) // 2:]
        try:
            assert len(walk(target).devices) == 1 or needed(label), label
        except TargetError as problem:
            assert needed(label), (label, problem)


@LAYOUTS
def test_each_type_and_each_symbol_unknown_in_turn(whole):
    for kind, known in [("types", name) for name in whole.types] + [("symbols", name) for name in whole.symbols]:
        target = whole.copy()
        del getattr(target, kind)[known]
        try:
            walk(target)
        except TargetError as problem:
            assert known.split()[-1] in str(problem), known


@LAYOUTS
def test_each_member_unknown_in_turn(whole):
    for name, (_, members) in whole.types.items():
        for path in members:
            target = whole.copy()
            del target.types[name][1][path]
            try:
                walk(target)
            except TargetError as problem:
                assert path.split(".")[0] in str(problem), (name, path)


@LAYOUTS
@some(OVERWRITTEN)
def test_bytes_overwritten_at_random(whole, changes):
    target = whole.copy()
    blocks = list(target.memory)
    for block, offset, raw in changes:
        memory = target.memory[blocks[block % len(blocks)]]
        at = offset % len(memory)
        memory[at:at + len(raw)] = raw[:len(memory) - at]
    try:
        walk(target)
    except TargetError as problem:
        assert str(problem)


@LAYOUTS
@some(LED_ASTRAY)
def test_pointers_that_lead_elsewhere(whole, changes):
    """What looks like a pointer points into some other piece of memory, so that lists and trees loop and mix."""
    target = whole.copy()
    blocks = list(target.memory)
    places = pointers(whole)
    for place, block, offset, low in changes:
        goal = blocks[block % len(blocks)]
        aim = goal + offset % len(target.memory[goal]) // 8 * 8 + low
        target.poke(places[place % len(places)], target.pointer(aim))
    try:
        walk(target)
    except TargetError as problem:
        assert str(problem)


def pointers(target):
    """Where there is what looks like a pointer."""
    return [at + offset for at, raw in target.memory.items() for offset in range(0, len(raw) - 7, 8)
            if target.decode_uint(bytes(raw[offset:offset + 8])) & ~0xFF in target.memory]


def test_one_lost_device_is_no_loss_to_the_others():
    target = machine(more=True)
    lost = next(at for at, label in target.labels.items() if label == "struct virtio_device of virtio3")
    target.forget(lost)
    snapshot = walk(target)
    assert [one.name for one in snapshot.devices] == ["vdb", "eth0", "virtio4", "virtio5"]
    assert f"{lost:#x}"[:-1] in snapshot.absent["devices"]
    assert take(target, "vdb").absent == {}
    with pytest.raises(UnknownDevice, match="'vdc'.*not all could be read: .*page not in the dump"):
        take(target, "vdc")


def test_one_lost_queue_is_no_loss_to_the_others():
    target = machine(more=True)
    target.forget(take(target, "vdc").devices[0].queues[0].driver.address)
    (device,) = take(target, "vdc").devices
    assert "page not in the dump" in device.absent["queues"]
    (other,) = take(target, "vdb").devices
    assert other.queues[0].driver.last_used_idx == 43932 and "queues" not in other.absent


def test_one_lost_interrupt_is_no_loss_to_the_others():
    target = machine(more=True)
    target.forget(next(at for at, label in target.labels.items() if label == "irq_desc 40"))
    first, second = take(target, "vdc").devices[0].queues
    assert first.irq is None and "of some that is not known: 8 bytes at" in first.absent["irq"]
    assert second.irq.number == 41


def test_a_list_of_queues_without_end():
    target = machine(more=True)
    queue = take(target, "vdc").devices[0].queues[0].driver.address
    target.poke(queue, target.pointer(queue))
    (device,) = take(target, "vdc").devices
    assert "does not come back to its head" in device.absent["queues"]


def test_a_tree_of_interrupts_that_is_deeper_than_any():
    """A chain of nodes, each other than the last, must end in a reason and not in Python's own limit."""
    for release in ("4.18", "6.1"):
        target = machine(release)
        kind, mark = ("radix_tree_node", 1) if release == "4.18" else ("xa_node", 2)
        slots = [target.pointer(0)] * 64
        below = target.struct(kind, "the deepest node", shift=0)
        for _ in range(2000):
            slots[0] = target.pointer(below + mark)
            below = target.struct(kind, "a node", shift=6, slots=b"".join(slots))
        tree, head = ("radix_tree_root", "rnode") if release == "4.18" else ("xarray", "xa_head")
        target.set(tree, target.symbols["irq_desc_tree"], **{head: below + mark})
        queue = take(target, "vdb").devices[0].queues[0]
        assert queue.irq is None and "too many nodes" in queue.absent["irq"]


def test_an_unreadable_page_is_named_with_its_address():
    target = machine()
    target.forget(target.symbols["bus_kset"])
    with pytest.raises(Unreadable, match=f"{target.symbols['bus_kset']:#x}"):
        take(target)
