"""Which interrupt a queue has, and what the kernel knows of it."""
import pytest

from tests.guest import machine as made
from tests.guest.machine import RELEASES, machine
from tests.guest.made import trees
from tests.guest.made.guest import Guest
from tests.guest.made.interrupts import QUIET, Interrupts, State, mask
from vqcheck.guest.irqs import Irqs
from vqcheck.guest.snapshot import take
from vqcheck.guest.trees import maple_entries, radix_entries
from vqcheck.target.errors import Corrupt

TREES = {"3.10": "radix, by the root's height", "4.18": "radix, by each node's shift", "6.1": "xarray", "7.2": "maple"}
DEV_ID = 0x700000


def entries(target, stored):
    trees.plant(target, stored)
    if "sparse_irqs" in target.symbols:
        return list(maple_entries(target, target.symbols["sparse_irqs"]))
    return list(radix_entries(target, target.symbols["irq_desc_tree"]))


@pytest.mark.parametrize("release", TREES, ids=TREES.get)
@pytest.mark.parametrize("pointer_size", [8, 4])
@pytest.mark.parametrize("numbers", [[0], [5], [0, 1, 2], [27, 28, 70], range(130), [3, 64, 4095, 4096, 100000]],
                         ids=str)
def test_every_tree_gives_what_is_stored_in_it(release, pointer_size, numbers):
    stored = {number: 0x200000 + 0x100 * number for number in numbers}
    assert entries(Guest(release, "big", pointer_size), stored) == sorted(stored.items())


@pytest.mark.parametrize("release", TREES, ids=TREES.get)
def test_an_empty_tree(release):
    target = Guest(release)
    if release == "7.2":
        assert not list(maple_entries(target, target.struct("maple_tree", "empty")))
    else:
        kind = "radix_tree_root" if release in ("3.10", "4.18") else "xarray"
        assert not list(radix_entries(target, target.struct(kind, "empty")))


@pytest.mark.parametrize("release", TREES, ids=TREES.get)
def test_a_tree_that_loops(release):
    target = Guest(release)
    trees.plant(target, dict.fromkeys(range(0, 600, 7), 0x200000))
    root, head, node, slots = {
        "3.10": ("irq_desc_tree", ("radix_tree_root", "rnode"), "radix_tree_node", "slots"),
        "4.18": ("irq_desc_tree", ("radix_tree_root", "rnode"), "radix_tree_node", "slots"),
        "6.1": ("irq_desc_tree", ("xarray", "xa_head"), "xa_node", "slots"),
        "7.2": ("sparse_irqs", ("maple_tree", "ma_root"), "maple_node", "ma64.slot")}[release]
    top = target.read_pointer(target.symbols[root] + target.offset(*head))
    marks = top & 0xFF
    itself = top - marks if release == "3.10" else top
    target.poke(top - marks + target.offset(node, slots), target.pointer(itself))
    with pytest.raises(Corrupt, match="loop"):
        list((maple_entries if release == "7.2" else radix_entries)(target, target.symbols[root]))


def test_a_tree_that_claims_more_levels_than_there_can_be():
    target = Guest("3.10")
    root = target.struct("radix_tree_root", "root", height=4000, rnode=0x300001)
    with pytest.raises(Corrupt, match="4000 levels"):
        list(radix_entries(target, root))


def irq_of(release, state=QUIET, cpus_online=(0, 1, 2, 3)):
    """The interrupt of a queue, in a guest that has nothing else."""
    target = Guest(release)
    target.symbols["__cpu_online_mask"] = target.new("__cpu_online_mask", mask(target, cpus_online))
    target.symbols["nr_cpu_ids"] = target.new("nr_cpu_ids", target.encode(4, 4))
    irqs = Interrupts(target)
    irqs.action(33, "virtio0-req.0", DEV_ID, state=state)
    irqs.finish()
    return Irqs(target).of_queue(DEV_ID, 0)[0]


@pytest.mark.parametrize("release", RELEASES)
def test_an_interrupt_in_trouble(release):
    state = State(total=9, depth=1, bits=1 << 17 | 1 << 18, inner=0x202, unhandled=99_900, hwirq=4, chip="GICv3")
    irq = irq_of(release, state)
    assert (irq.number, irq.name, irq.depth, irq.unhandled, irq.hwirq, irq.chip) == (33, "virtio0-req.0", 1, 99_900, 4,
                                                                                      "GICv3")
    assert (irq.masked, irq.in_progress, irq.pending, irq.spurious_disabled) == (True, True, True, True)
    assert irq.msi == (1 << 32 | 0xFEE01000, 0x4021)
    assert irq.affinity == "0-3"


@pytest.mark.parametrize("bits, inner, field", [(1 << 17, 0, "masked"), (1 << 18, 0, "in_progress"),
                                                (0, 0x200, "pending"), (0, 0x2, "spurious_disabled")])
def test_each_bit_for_itself(bits, inner, field):
    irq = irq_of("6.1", State(bits=bits, inner=inner))
    assert [one for one in ("masked", "in_progress", "pending", "spurious_disabled") if getattr(irq, one)] == [field]


@pytest.mark.parametrize("effective, text, online", [((2,), "2", True), ((3,), "3", False), ((2, 3), "2-3", True)])
def test_whether_a_cpu_that_takes_it_is_online(effective, text, online):
    irq = irq_of("6.1", State(effective=effective), cpus_online=(0, 1, 2))
    assert (irq.effective_affinity, irq.effective_online) == (text, online)


def test_no_effective_cpu():
    irq = irq_of("6.1", State(effective=()))
    assert irq.effective_affinity is None and irq.effective_online is None
    assert "has no effective_affinity" in irq.absent["effective_affinity"] and irq.absent["effective_online"]


@pytest.mark.parametrize("release, lacks", [("3.10", {"total", "effective_affinity", "effective_online"}),
                                            ("4.5", {"total", "effective_affinity", "effective_online"}),
                                            ("4.18", {"total"}), ("5.10", set()), ("7.2", set())])
def test_what_a_kernel_does_not_keep_is_absent(release, lacks):
    irq = irq_of(release)
    assert {field for field in irq._fields if getattr(irq, field) is None} - {"vector"} == lacks == set(irq.absent)


def test_a_queue_has_the_vector_that_the_transport_gave_it():
    first, second = take(machine(more=True), "vdc").devices[0].queues
    assert (first.irq.number, first.irq.vector, second.irq.number, second.irq.vector) == (40, 1, 41, 2)
    assert not first.irq.shared


def test_one_vector_for_all_queues_belongs_to_the_device():
    queues = take(machine(more=True), "eth0").devices[0].queues
    assert [(one.irq.number, one.irq.shared, one.irq.total) for one in queues] == [(51, True, 7)] * 3


@pytest.mark.parametrize("name, number", [("virtio4", 60), ("virtio5", 61)], ids=["INTx", "virtio-mmio"])
def test_an_interrupt_line_that_another_device_shares(name, number):
    (queue,) = take(machine(more=True), name).devices[0].queues
    assert (queue.irq.number, queue.irq.name, queue.irq.shared) == (number, name, True)
    assert queue.irq.vector is None and queue.irq.absent["vector"]


def test_a_shared_interrupt_is_known_by_its_name_where_the_module_has_no_symbols():
    target = machine(more=True)
    for name in ("vp_vring_interrupt", "vp_config_changed"):
        del target.symbols[name]
    assert [one.irq.number for one in take(target, "eth0").devices[0].queues] == [51] * 3


def test_the_interrupt_of_the_configuration_is_not_the_queues():
    target = machine()
    target.change("struct irqaction", made.ACTION, dev_id=0x1234)
    queue = take(target, "vdb").devices[0].queues[0]
    assert queue.irq is None and "no interrupt has this queue" in queue.absent["irq"]


def test_an_interrupt_that_is_known_has_no_reason_to_be_absent():
    assert "irq" not in take(machine(), "vdb").devices[0].queues[0].absent
