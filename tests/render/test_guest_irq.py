"""Interrupts: each once, however many queues share it, and what is wrong with it."""
import pytest

from tests.builders import only_queue, pair, with_queues
from vqcheck.render import guest_irq
from vqcheck.snapshot.kernel_model import Irq
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.transport_model import MsiMessage

FULL = Irq(27, "virtio1-req.0", vector=1, hwirq=1, chip="PCI-MSIX-0000:00:07.0",
           msi=MsiMessage(Hex(0xFEE01000), Hex(0x25)), total=43000, depth=0, masked=False, in_progress=False,
           pending=False, spurious_disabled=False, unhandled=0, affinity="0-3", effective_affinity="1",
           effective_online=True)

BLOCK = """\
interrupts (chip PCI-MSIX-0000:00:07.0):
irq  queues  name           vector  total  CPUs  taken  state  MSI
                                                 by            address/data
---  ------  -------------  ------  -----  ----  -----  -----  ---------------
 27  0-3     virtio1-req.0       1  43000  0-3   1      ok     0xfee01000/0x25"""


def device(*irqs):
    guest = pair()[0]
    queues = [only_queue(guest)._replace(queue_index=index, irq=irq) for index, irq in enumerate(irqs)]
    return with_queues(guest, *queues).devices[0]


def test_queues_that_share_an_interrupt_share_its_row():
    assert guest_irq.block(device(FULL, FULL, FULL, FULL)) == [BLOCK]


def test_one_row_an_interrupt_in_the_order_of_the_queues():
    rows = guest_irq.irq_rows(device(FULL._replace(number=31), None, FULL, FULL._replace(number=31)))
    assert [(row[0], row[1]) for row in rows] == [(31, "0, 3"), (27, "2")]


def test_no_interrupt_is_nothing_to_show():
    assert guest_irq.block(device(None)) == []


@pytest.mark.parametrize("changes, state, sentence", [
    ({"depth": 1}, "disabled", "irq 27 is disabled (depth 1)"),
    ({"masked": True}, "masked", "irq 27 is masked"),
    ({"pending": True}, "pending", "irq 27 is pending: an interrupt came and is still to be handled"),
    ({"in_progress": True}, "in progress", "irq 27 is in progress: a CPU is inside its handler"),
    ({"spurious_disabled": True, "unhandled": 99901}, "spurious-disabled",
     "the kernel has turned irq 27 off, as nobody handled it (IRQS_SPURIOUS_DISABLED, 99901 unhandled)"),
    ({"effective_online": False}, "ok", "irq 27 goes to CPU 1, and no CPU of these is online"),
])
def test_what_is_wrong(changes, state, sentence):
    irq = FULL._replace(**changes)
    assert [one[:len(sentence)] for one in guest_irq.sentences(irq)] == [sentence]
    assert guest_irq.irq_rows(device(irq))[0][8] == state
    assert f"  * {sentence[:40]}" in guest_irq.block(device(irq, irq))[0]
    assert bool(guest_irq.problems(irq)) == (state != "in progress")


def test_a_managed_interrupt_whose_cpus_are_gone_is_said_once():
    gone = FULL._replace(depth=1, masked=True, effective_online=False, effective_affinity="3")
    assert guest_irq.problems(gone) == ["shut down with CPU 3, which is offline"]
    (sentence,) = guest_irq.sentences(gone)
    assert sentence.startswith("irq 27 is shut down (disabled and masked)") and "CPUs goes offline, here 3" in sentence
    assert guest_irq.problems(gone._replace(pending=True))[1:] == ["pending"]


def test_the_offline_cpu_is_marked():
    assert guest_irq.irq_rows(device(FULL._replace(effective_online=False)))[0][7] == "1 (offline)"


def test_all_is_well_only_where_all_is_known():
    assert guest_irq.irq_rows(device(FULL._replace(pending=None)))[0][8] is None
    assert guest_irq.sentences(FULL) == guest_irq.problems(FULL) == []


def test_a_device_without_vectors_uses_a_line():
    row = guest_irq.irq_rows(device(FULL._replace(vector=0xFFFF, hwirq=23, chip="IO-APIC")))[0]
    assert (row[3], row[4], row[-1]) == ("none", 23, "IO-APIC")
