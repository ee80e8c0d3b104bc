"""What the transport's driver keeps of a queue.

Source: Linux drivers/virtio/virtio_pci_common.h (struct virtio_pci_device, struct virtio_pci_vq_info).
"""
from ..target.errors import Corrupt, NotSupported, NullPointer
from ..target.target import Target
from ..target.view import View, container_of
from .bus import VirtioDevice

NO_VECTOR = 0xFFFF
"""VIRTIO_MSI_NO_VECTOR; MSI-X has at most 2048."""


def msix_vector(target: Target, device: VirtioDevice, virtqueue: int, index: int) -> int:
    """The MSI-X vector that the driver gave a queue; 65535 (VIRTIO_MSI_NO_VECTOR) for none.  Raises TargetError."""
    if device.bus is not None and device.bus.type != "pci":
        raise NotSupported(f"not applicable: {device.bus.type} has no MSI-X vectors")
    proxy = View(target, "struct virtio_pci_device",
                 container_of(target, device.view.address, "struct virtio_pci_device", "vdev"))
    infos = proxy.pointer("vqs")
    if infos == 0:  # INTx: vp_find_vqs_intx() has no vectors to note, and newer kernels no array either
        raise NullPointer("struct virtio_pci_device.vqs")
    info = View(target, "struct virtio_pci_vq_info", target.read_pointer(infos + index * target.pointer_size))
    if info.pointer("vq") != virtqueue:
        raise Corrupt(f"the transport's queue {index} is another one")
    vector = info.uint("msix_vector")
    if vector > NO_VECTOR:
        raise Corrupt(f"the transport's queue {index} claims vector {vector}")
    return vector
