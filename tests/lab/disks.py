"""The lab's disks and its network card as words of QEMU's command line.

virtio-disk0 rests, or hangs where there are all devices.  What is under test lies on disk1, with a blkdebug node below
in which requests can be suspended, or fail.  In a mixed load a SCSI disk beside it is written to as well.
"""
import pathlib
from typing import List

from .devices import Platform
from .options import Options

NODE = "disk1"
"""The uppermost block node of the disk under test."""
DISK_BYTES = 64 << 20

TAP = "lab0"
IN_NAMESPACE = ["/usr/bin/unshare", "--net", "/bin/sh", "-ec",
                f"ip tuntap add dev {TAP} mode tap multi_queue; ip address add 10.0.2.2/24 dev {TAP}; "
                f'ip link set {TAP} up; exec "$@"', "lab"]
"""What makes a tap and goes on as the command behind it.  Needs root; the machine's own network is not touched."""

NO_SPACE = ("set-state.0.event=flush_to_os,set-state.0.state=1,set-state.0.new_state=2,inject-error.0.event=pwritev,"
            "inject-error.0.state=2,inject-error.0.errno=28,inject-error.0.iotype=write")
"""blkdebug's rules by which writes fail with ENOSPC after a flush, which QEMU does when it stops the machine and the
lab's guests never do."""


def words(options: Options, platform: Platform, directory: pathlib.Path) -> List[str]:
    """All of them."""
    found: List[str] = []
    for number in range(4 if options.devices else 2 + options.mixed):
        with open(directory / f"disk{number}.raw", "wb") as image:
            image.truncate(DISK_BYTES)
        found += ["-blockdev", f"driver=file,node-name=file{number},filename={image.name}"]
    for number in (0, 2, 3) if options.devices else (0, 2) if options.mixed else (0,):
        found += _node(options, number)
    found += ["-device", f"virtio-blk-{platform.bus},id=virtio-disk0,drive=disk0,num-queues=1{layout(options)}"]
    debug = "driver=blkdebug,node-name=debug1,image=file1"
    found += ["-blockdev", f"{debug},{NO_SPACE}" if options.fails else debug,
              "-blockdev", f"driver=raw,node-name={NODE},file=debug1"]
    found += _iothread(options, platform)
    if options.device == "scsi":
        return found + _scsi(options, platform, NODE)
    return found + _blk(options, platform) + (_scsi(options, platform, "disk2") if options.mixed else [])


def layout(options: Options) -> str:
    """The words by which a device offers what the layout of its rings depends on."""
    return (",packed=on" if options.packed else "") + (",in_order=on" if options.in_order else "")


def _node(options: Options, number: int) -> List[str]:
    """A disk's block node; of two in a machine with all devices, one where a second write hangs."""
    name, below = f"node-name=disk{number}", f"file=file{number}"
    if not options.devices or number == 2:
        return ["-blockdev", f"driver=raw,{name},{below}"]
    return ["-object", f"throttle-group,id=slow{number},x-bps-write=1",
            "-blockdev", f"driver=throttle,{name},throttle-group=slow{number},{below}"]


def _blk(options: Options, platform: Platform) -> List[str]:
    disk = f"virtio-blk-{platform.bus},id=virtio-disk1,drive={NODE},num-queues={options.queues}"
    if options.fails:
        disk += ",werror=stop"
    return _served(options, platform, disk)


def _scsi(options: Options, platform: Platform, node: str) -> List[str]:
    host = f"virtio-scsi-{platform.bus},id=scsi1,num_queues={options.queues}"
    return _served(options, platform, host) + ["-device", f"scsi-hd,id=scsi-disk1,drive={node},bus=scsi1.0"]


def rings(options: Options, device: str) -> str:
    """A device with the rings that its machine is to have."""
    return f"{device}{layout(options)},event_idx={'on' if options.event_idx else 'off'}"


def network(options: Options, platform: Platform) -> List[str]:
    """A network card, and what answers it: SLIRP, or through a tap the kernel of this machine."""
    card = f"virtio-net-{platform.bus},id=nic0,netdev=net0"
    if platform.bus == "pci":
        card += ",romfile="
    if options.pairs == 1:
        return ["-netdev", "user,id=net0,ipv6=off", "-device", rings(options, card)]
    return ["-netdev", f"tap,id=net0,ifname={TAP},script=no,downscript=no,queues={options.pairs}",
            "-device", rings(options, f"{card},mq=on,vectors={2 * options.pairs + 2}")]


def _iothread(options: Options, platform: Platform) -> List[str]:
    if not (options.iothread and platform.eventfds):
        return []
    return ["-object", f"iothread,id=iothread1,poll-max-ns={32768 if options.polling else 0}"]


def _served(options: Options, platform: Platform, device: str) -> List[str]:
    """A device, in the iothread if it is to be in one and can be."""
    served = options.iothread and platform.eventfds
    return ["-device", rings(options, device) + (",iothread=iothread1" if served else "")]
