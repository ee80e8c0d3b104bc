"""Interrupts of channel devices, which have bits in the guest's memory where PCI has vectors: I21."""
from typing import List, Optional

from ...snapshot.transport_model import Indicator
from .. import remedies
from ..case import Case
from ..late import Late
from ..result import Evidence, Outcome
from ..rule import CRITICAL, INTERRUPTS, Rule
from .common import fields, of_late_interrupt
from .lost_interrupt import behind

UPDATE = ("update the guest's kernel; until then let the device offer what makes its driver leave no queue out: for a "
          "balloon with free-page-reporting=on that is free-page-hint=on")


@of_late_interrupt
def _left(case: Case, late: Late) -> Outcome:
    mine, yours = case.get("indicator"), case.peek("host_queue.indicator")
    if remedies.indicators_differ(case):
        return behind(case, late, "QEMU has another indicator bit for the queue than its driver", Evidence(
            "what QEMU sets means nothing to the driver, or another queue", _spelled(mine), _spelled(yours)),
            blame="guest: the driver, where it counts bits otherwise than the device counts queues",
            one_more=remedies.one_more(case), actions=(UPDATE,))
    if not case.get("indicator.set"):
        return "the queue's indicator bit is clear"
    return behind(
        case, late, "its indicator bit is set, and the guest's handler has not come to it", Evidence(
            "QEMU has set the bit, which the handler clears before it looks at the queue", _spelled(mine),
            _spelled(yours)), *_summary(mine), one_more=remedies.one_more(case))


def _spelled(one: Optional[Indicator]) -> Optional[str]:
    return None if one is None else fields(area=f"{int(one.area):#x}", bit=one.bit, set=one.set, summary=one.summary)


def _summary(one: Indicator) -> List[Evidence]:
    """What the summary indicator says of the adapter interrupt."""
    if one.summary is None:
        return []
    if one.summary:
        return [Evidence("the summary indicator is set too: the adapter interrupt that calls the handler was lost, or "
                         "is not taken, and QEMU makes no other one until the handler clears it")]
    return [Evidence("the summary indicator is clear: the handler was there and left the bit behind, or nobody made "
                     "the interrupt")]


LEFT = Rule(
    id="I21", slug="indicator-not-seen",
    title="The queue's indicator bit does not bring the guest's handler to it",
    blame="host or guest: the adapter interrupt that calls the handler was lost, or is not taken",
    severity=CRITICAL, stage=INTERRUPTS, test=_left,
    holds_when="an interrupt is late, and the queue's indicator bit in the guest's memory is set, or is another one to "
               "QEMU than to the driver",
    needs=("kind", "returned", "indicator"),
    not_when=("the adapter interrupt is under way: the bit is set a moment before it (I0 asks that the state lasts)",
              "the device is not on CCW: only channel devices have indicators"),
    explanation="A channel device says in the guest's memory which queue has something to consume: it sets the queue's "
                "bit, then the summary indicator, and makes an adapter interrupt if that was clear.  All devices share "
                "the summary indicator, so one adapter interrupt that is lost hangs all of them.  Linux before commit "
                "2ccd42b959 gives bits to queues that are not there, as in a balloon without free page hints: those "
                "behind them then wait for other bits than the device sets.",
    confirm=("the count of VAI in the guest's /proc/interrupts stands still",
             "other virtio devices of the guest hang as well, with their bits set"),
    actions=(remedies.CORE, remedies.RESET),
    references=("virtio 1.2, 4.3.3.1 Notification via Adapter I/O Interrupts",
                "QEMU hw/s390x/virtio-ccw.c, virtio_ccw_notify()",
                "Linux drivers/s390/virtio/virtio_ccw.c, virtio_airq_handler(); commit 2ccd42b959 (bits of queues that "
                "are not there)"),
    explains=("I0", "I2", "M1"),
)

RULES = (LEFT,)
