"""The bits by which channel devices (CCW) interrupt, as either side has them."""
from typing import Any, List, Sequence

from ..snapshot.model import Device
from .wide import fitting
from .words import bullet, wrapped, yes_no

HEADERS = ("queue", "area", "bit", "set", "summary")


def block(device: Device) -> List[str]:
    """The table, and what there is to say of it; nothing for a device that has none."""
    rows = indicator_rows(device)
    if not rows:
        return []
    title = wrapped(f"indicators ({', '.join(sorted(_ways(device)))}):", "", "    ")
    lines = [line for sentence in sentences(device) for line in bullet(sentence)]
    return ["\n".join([*title, fitting(rows, HEADERS), *lines])]


def indicator_rows(device: Device) -> List[Sequence[Any]]:
    """One row a queue that has a bit."""
    return [(queue.queue_index, f"{int(one.area):#x}", one.bit, yes_no(one.set), yes_no(one.summary))
            for queue in device.queues for one in (queue.indicator,) if one is not None]


def sentences(device: Device) -> List[str]:
    """What there is to say; nothing where no interrupt waits."""
    said = []
    for queue in device.queues:
        one = queue.indicator
        if one is not None and one.set:
            waits = "; the summary indicator is set too, and no other adapter interrupt is made until the handler " \
                    "clears it" if one.summary else ""
            said.append(f"the bit of queue {queue.queue_index} is set: the device has interrupted for it, and the "
                        f"guest's handler has not come to it{waits}")
    return said


def _ways(device: Device) -> List[str]:
    return list({"adapter interrupts" if queue.indicator.adapter else "classic interrupts"
                 for queue in device.queues if queue.indicator is not None})
