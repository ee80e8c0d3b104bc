"""What the lab's machines are made of, as data: platforms, and one of every virtio device that QEMU 7.2 makes.

vsock and fs are vhost-user devices: QEMU leaves them to a module of the host's kernel or to another process.  A network
card with several pairs of queues is in a scene of its own (Options.pairs): it wants a tap; under TCG QEMU 7.2 dies of a
vhost-user one (hw/virtio/virtio-pci.c: virtio_pci_vq_vector_unmask() takes it for one with KVM's irqfds).
"""
from typing import Dict, List, NamedTuple, Sequence

from .qemu_build import DEFAULT


class Platform(NamedTuple):
    """How a machine of an architecture is made."""
    target: str
    """QEMU's name of the architecture."""
    machine: str
    cpu: str
    console: str
    ram_start: int
    """Guest-physical address of the RAM."""
    bus: str = "pci"
    """What the names of its virtio devices end in: pci, ccw, or device for one on virtio-mmio."""
    more_memory: str = ""
    """What -m needs where there are memory devices."""
    kernel_words: str = ""
    """What its kernel must be told."""
    eventfds: bool = True
    """Whether kicks and interrupts take eventfds, as an iothread needs them to.  Under TCG virtio-mmio has none
    (QEMU hw/virtio/virtio-mmio.c: virtio_mmio_realizefn())."""
    fw_cfg: bool = True
    """Whether it has the device by which a guest tells QEMU where its VMCOREINFO is."""


PLATFORMS: Dict[str, Platform] = {
    "q35": Platform("x86_64", "q35", "qemu64", "ttyS0", 0, more_memory=",slots=2,maxmem=2G"),
    # It has but one clock to measure the TSC by, and on a busy host that fails and the kernel stands still.
    "microvm": Platform("x86_64", "microvm,acpi=on", "qemu64", "ttyS0", 0, "device",
                        kernel_words=" tsc_early_khz=2000000", eventfds=False),
    "virt": Platform("aarch64", "virt", "cortex-a57", "ttyAMA0", 1 << 30, more_memory=",slots=2,maxmem=2G"),
    # Linux sets channel devices online together, and which disk becomes vdb is chance: here the guest's init does it.
    "s390-ccw-virtio": Platform("s390x", "s390-ccw-virtio", "qemu", "ttysclp0", 0, "ccw",
                                kernel_words=" virtio_ccw.no_auto=0.0.0000-0.0.ffff", fw_cfg=False),
}

USUAL: Dict[str, str] = {"amd64": "q35", "arm64": "virt", "s390x": "s390-ccw-virtio"}
"""The name of the platform for a kernel, by Debian's name of its architecture."""

ALL = tuple(PLATFORMS)
PCI = ("q35", "virt")
CCW = ("s390-ccw-virtio",)


class Device(NamedTuple):
    """A virtio device besides the disks; `{bus}`, `{directory}` and `{sockets}` stand for the machine's."""
    device: str
    behind: Sequence[str] = ()
    """QEMU's words for what stands behind it, before it."""
    below: Sequence[str] = ()
    """And for what hangs on it, behind it."""
    modern: bool = True
    """Whether it can have what came with virtio 1.0 and later, as packed rings."""
    platforms: Sequence[str] = PCI
    other_end: str = ""
    """A key of vhost_user.KINDS, for one that is served on the socket of that name."""
    not_in: Sequence[str] = ()
    """Keys of qemu_build.SOURCES: QEMUs that do not make it."""


DEVICES: List[Device] = [
    Device("virtio-scsi-{bus},id=scsi0,num_queues=2", below=["-device", "scsi-hd,drive=disk2,bus=scsi0.0",
                                                             "-device", "scsi-hd,drive=disk3,bus=scsi0.0"],
           platforms=ALL),
    Device("virtio-net-{bus},id=nic0,netdev=net0", ["-netdev", "user,id=net0"], platforms=ALL),
    Device("virtio-serial-{bus},id=serial0,max_ports=4",
           ["-chardev", "null,id=console0", "-chardev", "null,id=port0"],
           ["-device", "virtconsole,chardev=console0,bus=serial0.0",
            "-device", "virtserialport,chardev=port0,bus=serial0.0,name=org.vqcheck.lab.0"], platforms=ALL),
    Device("virtio-rng-{bus},id=rng0,rng=random0", ["-object", "rng-random,id=random0,filename=/dev/urandom"],
           platforms=ALL),
    Device("virtio-balloon-{bus},id=balloon0,free-page-reporting=on", platforms=ALL),
    Device("virtio-keyboard-{bus},id=keyboard0", platforms=ALL),
    Device("virtio-mouse-{bus},id=mouse0", platforms=(*PCI, *CCW)),
    Device("virtio-tablet-{bus},id=tablet0", platforms=(*PCI, *CCW)),
    Device("virtio-gpu-{bus},id=gpu0", platforms=(*PCI, *CCW)),
    Device("virtio-crypto-{bus},id=crypto0,cryptodev=cryptodev0",
           ["-object", "cryptodev-backend-builtin,id=cryptodev0"], platforms=(*PCI, *CCW)),
    Device("virtio-9p-{bus},id=plan9,fsdev=share0,mount_tag=lab",
           ["-fsdev", "local,id=share0,path={directory},security_model=none,readonly=on"], platforms=(*PCI, *CCW)),
    Device("virtio-pmem-{bus},id=pmem0,memdev=pmem-memory", ["-object", "memory-backend-ram,id=pmem-memory,size=16M"],
           platforms=["q35"]),
    Device("virtio-mem-{bus},id=mem0,memdev=mem-memory", ["-object", "memory-backend-ram,id=mem-memory,size=16M"]),
    Device("virtio-iommu-{bus},id=iommu0", not_in=["5.2"]),  # it makes that for machines with a device tree only
    # Its rings lie at DMA addresses: what the IOMMU's driver made up, or physical ones where there is no such driver.
    Device("virtio-rng-{bus},id=rng1,rng=random1,iommu_platform=on,disable-legacy=on",
           ["-object", "rng-random,id=random1,filename=/dev/urandom"]),
    Device("virtio-rng-ccw,id=rng1,rng=random1,iommu_platform=on",
           ["-object", "rng-random,id=random1,filename=/dev/urandom"], platforms=CCW),
    # A device of the years before virtio 1.0: its rings are of the guest's own byte order.
    Device("virtio-rng-{bus},id=rng2,rng=random2,disable-modern=on,disable-legacy=off",
           ["-object", "rng-random,id=random2,filename=/dev/urandom"], modern=False),
    # The same on CCW, where that is the guest's own byte order for real.
    Device("virtio-rng-ccw,id=rng2,rng=random2,max_revision=0",
           ["-object", "rng-random,id=random2,filename=/dev/urandom"], modern=False, platforms=CCW),
    Device("virtio-rng-device,id=rng3,rng=random3", ["-object", "rng-random,id=random3,filename=/dev/urandom"],
           platforms=["virt"]),
    Device("vhost-user-vsock-{bus},id=vsock0,chardev=vsock-end",
           ["-chardev", "socket,id=vsock-end,path={sockets}/vsock"], other_end="vsock"),
    Device("vhost-user-fs-{bus},id=fs0,chardev=fs-end,tag=lab,num-request-queues=2",
           ["-chardev", "socket,id=fs-end,path={sockets}/fs"], platforms=(*PCI, *CCW), other_end="fs"),
]
"""One of every virtio device, and some that are special."""


def of(platform: str, qemu: str = DEFAULT) -> List[Device]:
    """The devices that a platform can have in one of the lab's QEMUs."""
    return [one for one in DEVICES if platform in one.platforms and qemu not in one.not_in]


def words(platform: str, layout: str, directory: str, sockets: str, qemu: str = DEFAULT) -> List[str]:
    """QEMU's command line for them; `layout` is what a device is to offer for its rings."""
    found = ["-global", "virtio-net-pci.romfile="]  # a boot ROM, in a package that is not needed otherwise
    if layout:  # virtio-mmio is that of the years before virtio 1.0 else, and has no packed rings
        found += ["-global", "virtio-mmio.force-legacy=off"]
    for one in of(platform, qemu):
        device = one.device + (layout if one.modern else "")
        found += [*one.behind, "-device", device, *one.below]
    return [word.format(bus=PLATFORMS[platform].bus, directory=directory, sockets=sockets) for word in found]
