"""IN_ORDER: what is done, and is not returned: C14."""
from .. import remedies, wording
from ..case import Case
from ..late import Late
from ..result import Evidence, Outcome, listed
from ..rule import BACKEND, CRITICAL, Rule
from .common import of_held
from .held_up import behind, owned


@of_held
def _unflushed(case: Case, late: Late) -> Outcome:
    if case.host_queue.held is None:
        case.get("held")
    requests = [one for one in owned(case) if one.holder == "unflushed"]
    if not requests:
        return "no finished element is at the front of what is in use"
    doubts = list(late.doubts)
    if case.serving is None or not case.serving.at_rest:
        doubts.append("the serving thread is not known to be asleep: it may be about to flush them")
    return behind(case, late, f"{wording.of_them(len(requests))} done and not flushed to the used ring, although "
                              "nothing before is unfinished",
                  Evidence("they are marked as filled, from used_idx on", None,
                           f"head {listed([one.head for one in requests])}"), doubts=doubts)


UNFLUSHED = Rule(
    id="C14", slug="in-order-not-flushed",
    title="IN_ORDER: elements that are done were not flushed",
    blame="host: QEMU's device model",
    severity=CRITICAL, stage=BACKEND, test=_unflushed,
    holds_when="IN_ORDER is negotiated, requests are held, the element at used_idx is marked as filled, and the "
               "serving thread sleeps",
    needs=("kind", "vhost", "popped", "held"),
    not_when=("the serving thread is between virtqueue_fill() and virtqueue_flush()",
              "an element before it is not filled: then that one is what the queue waits for"),
    explanation="With IN_ORDER QEMU returns elements in the order in which they came.  It notes those that are done "
                "before their turn, and a flush returns all that are done from the front on.  An element that stays "
                "noted at the front was forgotten, and all behind it wait with it.  Where the front element is neither "
                "noted as done nor anywhere in QEMU, see B3.",
    confirm=("a second capture", "the next completion on the queue flushes them"),
    actions=("one more request to the disk: its completion flushes what is done", remedies.CORE),
    references=("QEMU hw/virtio/virtio.c, virtqueue_ordered_fill(), virtqueue_ordered_flush()",
                "QEMU commits b44135daa3 (9.1), 6fcf5ebafa (10.1)"),
    explains=("B0",),
)

RULES = (UNFLUSHED,)
