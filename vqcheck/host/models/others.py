"""Models that keep popped elements by themselves: network, console, balloon, graphics, 9P.

Source: QEMU hw/net/virtio-net.c (VirtIONetQueue), include/net/net.h (struct NetClientState),
hw/char/virtio-serial-bus.c (struct VirtIOSerialPort), hw/virtio/virtio-balloon.c (stats_vq_elem),
hw/display/virtio-gpu.c (cmdq, fenceq), hw/9pfs/virtio-9p-device.c (elems).
"""
from typing import Iterator, List, Optional, Tuple

from ...snapshot.device_model import HostDevice
from ...snapshot.held_model import Held, HeldRequest
from ...snapshot.transport_model import NetClient
from ...target.absence import Absences
from ...target.errors import NotSupported
from ...target.view import View
from ..loops import Loop
from ..process import Process
from ..qobject import chain
from .base import Model, element, held, of_element

MAX_PAIRS = 512
"""Queue pairs that are looked at: VIRTIO_QUEUE_MAX is 1024."""


class _ByMainLoop(Model):
    """A device that the main loop serves, and that keeps its elements where `_kept` finds them."""

    looked_in = ""

    def loop(self, index: int) -> Loop:
        return self.process.loops.main()

    def held(self, index: int, inuse: Optional[int]) -> Held:
        if not inuse:
            return held([], True, [])
        return held(self._kept(index), True, [self.looked_in])

    def _kept(self, index: int) -> Iterator[HeldRequest]:
        raise NotImplementedError


class Net(_ByMainLoop):
    """A network card."""

    looked_in = "the element of each transmit queue that its peer has not taken (async_tx)"

    def __init__(self, process: Process, device: View) -> None:
        super().__init__(process, device)
        self._net = View(self.target, "struct VirtIONet", device.address)

    def describe(self, record: HostDevice, absent: Absences) -> HostDevice:
        return record._replace(net=absent.take("net", self._clients))

    def _clients(self) -> List[NetClient]:
        clients = self._net.follow("struct NICState", "nic").pointer("ncs")
        size = self.target.size_of("struct NetClientState")
        return [_client(View(self.target, "struct NetClientState", clients + pair * size), pair)
                for pair in range(min(self._net.uint("max_queue_pairs", "max_queues"), MAX_PAIRS))]

    def _pair(self, index: int) -> View:
        """A pair of queues (VirtIONetQueue); the last queue is the control queue's where there is one."""
        count = self._net.uint("max_queue_pairs", "max_queues")  # renamed in QEMU 6.2
        if index // 2 >= count:
            raise NotSupported("not applicable: not a queue of a pair")
        size = self.target.size_of("VirtIONetQueue")
        return View(self.target, "VirtIONetQueue", self._net.pointer("vqs") + index // 2 * size)

    def _kept(self, index: int) -> Iterator[HeldRequest]:
        if index // 2 < self._net.uint("max_queue_pairs", "max_queues"):
            waiting = self._pair(index).pointer("async_tx.elem")
            if waiting and index % 2:
                yield of_element(element(self.target, waiting), "waits for the network backend to take it (async_tx)")

    def tx_waiting(self, index: int) -> bool:
        if not index % 2:
            return super().tx_waiting(index)
        return self._pair(index).flag("tx_waiting")


def _client(client: View, pair: int) -> NetClient:
    absent = Absences()
    peer = absent.take("peer", client.follow, "struct NetClientState", "peer")
    if peer is None:
        absent["peer_packets_waiting"] = absent["peer"]
    return NetClient(
        pair=pair,
        link_down=absent.take("link_down", client.flag, "link_down"),
        peer=absent.take("peer", peer.string, "name") if peer else None,
        packets_waiting=absent.take("packets_waiting", _queued, client),
        peer_packets_waiting=absent.take("peer_packets_waiting", _queued, peer) if peer else None,
        absent=dict(absent),
    )


def _queued(client: View) -> int:
    """Packets that wait for a client to take them."""
    return client.follow("struct NetQueue", "incoming_queue").uint("nq_count")


class Serial(_ByMainLoop):
    """A console."""

    looked_in = "the element of each port that its backend has not taken"

    def _kept(self, index: int) -> Iterator[HeldRequest]:
        serial = View(self.target, "struct VirtIOSerial", self.device.address)
        for port in chain(self.target, serial.pointer("ports.tqh_first"), "struct VirtIOSerialPort", "next.tqe_next"):
            waiting = port.pointer("elem")
            if waiting and self.queue_index(port.pointer("ovq")) == index:
                throttled = ", throttled" if port.flag("throttled") else ""
                yield of_element(element(self.target, waiting),
                                 f"port {port.uint('id')}: waits for the backend to take it{throttled}")


class Balloon(_ByMainLoop):
    """A balloon, which keeps the guest's last statistics until it wants new ones."""

    looked_in = "the element of the statistics queue (stats_vq_elem)"

    def _kept(self, index: int) -> Iterator[HeldRequest]:
        balloon = View(self.target, "struct VirtIOBalloon", self.device.address)
        waiting = balloon.pointer("stats_vq_elem")
        if waiting and self.queue_index(balloon.pointer("svq")) == index:
            yield of_element(element(self.target, waiting), "kept until new statistics are wanted, by design")


class Gpu(_ByMainLoop):
    """A graphics card."""

    looked_in = "commands that wait to be run, or for a fence (cmdq, fenceq)"
    QUEUES: Tuple[Tuple[str, str], ...] = (("cmdq", "waits to be run"), ("fenceq", "waits for a fence"))

    def _kept(self, index: int) -> Iterator[HeldRequest]:
        gpu = View(self.target, "struct VirtIOGPU", self.device.address)
        for queue, what in self.QUEUES:
            for command in chain(self.target, gpu.pointer(f"{queue}.tqh_first"), "struct virtio_gpu_ctrl_command",
                                 "next.tqe_next"):
                if self.queue_index(command.pointer("vq")) == index:
                    yield of_element(element(self.target, command.address), what)


class P9(_ByMainLoop):
    """A 9P file system."""

    looked_in = "requests that the server works on (elems)"

    def _kept(self, index: int) -> Iterator[HeldRequest]:
        raw = View(self.target, "struct V9fsVirtioState", self.device.address).raw("elems")
        for address in self.target.decode_pointers(raw):
            if address:
                yield of_element(element(self.target, address), "the server works on it")


