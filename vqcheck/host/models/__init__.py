"""QEMU's device models, each known as well as it needs to be: where popped elements are kept, which loop serves."""
from typing import Dict, Sequence, Type

from ...target.view import View
from ..process import Process
from .base import Model
from .blk import Blk
from .others import P9, Balloon, Gpu, Net, Serial
from .scsi import Scsi

BY_TYPE: Dict[str, Type[Model]] = {
    "virtio-blk-device": Blk,
    "virtio-scsi-device": Scsi,
    "virtio-net-device": Net,
    "virtio-serial-device": Serial,
    "virtio-balloon-device": Balloon,
    "virtio-gpu-device": Gpu,
    "virtio-9p-device": P9,
}
"""QOM types; a vhost device of the same kind has another."""


def model_of(process: Process, device: View, kinds: Sequence[str]) -> Model:
    """The model of a VirtIODevice whose QOM type and ancestors are `kinds`."""
    for kind in kinds:
        if kind in BY_TYPE:
            return BY_TYPE[kind](process, device)
    return Model(process, device)
