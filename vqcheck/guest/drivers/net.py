"""virtio-net: the network interface, the NAPI contexts and transmit queues, and the packets on their way out.

Source: Linux drivers/net/virtio_net.c (struct virtnet_info; queues 2i and 2i+1 are rxq2vq(i) and txq2vq(i)),
include/linux/netdevice.h (struct net_device, struct netdev_queue).
"""
from typing import Any, Dict, Optional

from ...snapshot.kernel_model import Napi, NetDevice, TxQueue
from ...snapshot.kinds import Hex
from ...snapshot.model import Queue
from ...snapshot.request_model import Request
from ...target.absence import Absences
from ...target.errors import Corrupt, NotSupported, TargetError
from ...target.target import Target
from ...target.view import View, container_of
from .. import napi
from ..bus import VirtioDevice
from .base import Driver

IFF_UP = 1 << 0
"""net_device.flags."""
NOCARRIER = 1 << 2
"""net_device.state: __LINK_STATE_NOCARRIER."""
DRV_XOFF = 1 << 0
STACK_XOFF = 1 << 1
"""netdev_queue.state: __QUEUE_STATE_DRV_XOFF, __QUEUE_STATE_STACK_XOFF."""

TOKEN_XSK = 3
"""VIRTNET_XMIT_TYPE_XSK: a frame of AF_XDP, whose length stands in the token in place of an address."""

TOKEN_TAG = 3
"""Bits of a transmit token that are no part of its address.  They tell an sk_buff from an XDP frame, but not in the
same way everywhere: bit 0 marked an XDP frame first (Linux 5.0) and bit 1 an orphaned sk_buff later, in stable
releases of 6.1 too; enum virtnet_xmit_type then made 1 the orphan and 2 the frame.  sk_buff.dev tells it in
all of them."""


class NetDriver(Driver):
    """A network interface."""

    def __init__(self, target: Target, device: VirtioDevice, clock_ns: Optional[int]) -> None:
        super().__init__(target, device, clock_ns)
        self._net: Optional[View] = None
        self._info: Optional[View] = None

    def display_name(self) -> Optional[str]:
        return next((one.name for one in self.device.below if one.depth == 1 and one.subsystem == "net"), None)

    def fields(self, absent: Absences) -> Dict[str, Any]:
        net = absent.take("net", self._interface)
        if net is None:
            return {}
        own = Absences()
        flags, state = own.take("up", net.uint, "flags"), own.take("carrier", net.uint, "state")
        return {"net": NetDevice(
            name=own.take("name", net.text, "name"),
            address=Hex(net.address),
            up=None if flags is None else bool(flags & IFF_UP),
            carrier=None if state is None else not state & NOCARRIER,
            absent=dict(own),
        )}

    def request(self, role: str, head: int, token: int) -> Request:
        if not role.startswith("tx"):
            return super().request(role, head, token)
        tag = token & TOKEN_TAG
        if tag == TOKEN_XSK:
            return super().request(role, head, token)
        try:
            skb = View(self.target, "struct sk_buff", token - tag)
            if skb.pointer("dev") == self._interface().address:
                return Request(head, token=Hex(token), kind="skb", bytes=skb.uint("len"))
        except TargetError as problem:
            return Request(head, token=Hex(token), absent={"kind": str(problem)})
        if tag:  # an XDP frame
            return super().request(role, head, token)
        why = f"what head {head} stands for, at {token:#x}, is no packet of this interface"
        return Request(head, token=Hex(token), absent={"kind": why})

    def about_queue(self, queue: Queue) -> Queue:
        if not queue.role.startswith(("rx", "tx")):
            return queue
        absent = Absences(queue.absent)
        queue = queue._replace(napi=absent.take("napi", self._napi, queue))
        if queue.role.startswith("tx"):
            queue = queue._replace(tx_queue=absent.take("tx_queue", self._tx_queue, queue.queue_index // 2))
        return queue._replace(absent=dict(absent))

    def _interface(self) -> View:
        """The struct net_device."""
        if self._net is None:
            for one in self.device.below:
                if one.depth == 1 and one.subsystem == "net":
                    address = container_of(self.target, one.device, "struct net_device", "dev")
                    self._net = View(self.target, "struct net_device", address)
                    break
            else:
                raise NotSupported(self.device.why_none_below or "no network interface hangs on the device")
        return self._net

    def _virtnet_info(self) -> View:
        if self._info is None:
            info = View(self.target, "struct virtnet_info", self.device.view.pointer("priv"))
            if info.pointer("vdev") != self.device.view.address:
                raise Corrupt("virtio_device.priv leads to no struct virtnet_info of this device")
            self._info = info
        return self._info

    def _napi(self, queue: Queue) -> Napi:
        info, pair = self._virtnet_info(), queue.queue_index // 2
        pairs = info.uint("max_queue_pairs")
        if pair >= pairs:
            raise Corrupt(f"struct virtnet_info has {pairs} queue pairs and none for queue {queue.queue_index}")
        array, kind = ("sq", "struct send_queue") if queue.queue_index % 2 else ("rq", "struct receive_queue")
        one = _element(info, array, kind, pair)
        if queue.driver is None or one.pointer("vq") != queue.driver.address:
            raise Corrupt(f"virtnet_info.{array}[{pair}] is not of this queue")
        # Transmit queues have had NAPI since Linux 4.12 (b92f1e6751a6 "virtio-net: transmit napi"); where they have a
        # context, the state bits are those of 4.11 and later.
        new_bits = self.target.member("struct send_queue", "napi") is not None
        return napi.read(one.embedded("struct napi_struct", "napi"), new_bits, self._is_up())

    def _is_up(self) -> Optional[bool]:
        try:
            return bool(self._interface().uint("flags") & IFF_UP)
        except TargetError:
            return None

    def _tx_queue(self, pair: int) -> TxQueue:
        net = self._interface()
        count = net.uint("num_tx_queues")
        if pair >= count:
            raise Corrupt(f"the interface has {count} transmit queues and none of number {pair}")
        queue = _element(net, "_tx", "struct netdev_queue", pair)
        if queue.pointer("dev") != net.address:
            raise Corrupt(f"net_device._tx[{pair}] is no transmit queue of this interface")
        absent = Absences()
        state = absent.take("state", queue.uint, "state")
        if state is None:
            absent["stopped"] = absent["stack_stopped"] = absent["state"]
        return TxQueue(
            state=None if state is None else Hex(state),
            stopped=None if state is None else bool(state & DRV_XOFF),
            stack_stopped=None if state is None else bool(state & STACK_XOFF),
            trans_start=absent.take("trans_start", queue.uint, "trans_start"),
            absent=dict(absent),
        )


def _element(holder: View, member: str, kind: str, index: int) -> View:
    """One struct of the array that a member points at."""
    first = holder.follow(kind, member)
    return View(holder.target, kind, first.address + index * holder.target.size_of(kind))
