"""Guests to measure on: many disks with many queues, and one disk whose ring is full.  Kept as dumps of their RAM.

Reads are made to hang by throttling the disks to one byte a second once the guest is up: what is in flight then stays
so.  `max_sectors_kb=4` cuts one large read into as many requests as are wanted, with a single process in the guest.
"""
import gzip
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Callable, List, NamedTuple, Optional, Type

from tests.lab import vmcore
from tests.lab.kernel import DISK_MODULES, Kernel, kernel
from tests.lab.qemu_build import qemu
from tests.lab.qmp import Qmp

FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu")
PATIENCE = 420.0
"""Seconds; emulated, on a machine that does other things too."""

INIT = """#!/bin/busybox sh
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in {modules}; do
    insmod /modules/$module
done
for disk in /sys/block/vd*; do
    echo none >$disk/queue/scheduler
    echo 4 >$disk/queue/max_sectors_kb
done
echo BENCHMARK-UP
while ! grep -q go /proc/sys/kernel/hostname; do
    read -r word </dev/ttyS0 && hostname $word
done
for disk in /sys/block/vd*; do
    dd if=/dev/${{disk##*/}} of=/dev/null bs={bytes} count=1 iflag=direct &
done
while :; do
    sum=0
    for disk in /sys/block/vd*; do
        read -r reads writes <$disk/inflight
        sum=$((sum + reads))
    done
    echo "BENCHMARK-INFLIGHT $sum end"
    sleep 1
done
"""


class Shape(NamedTuple):
    """What a guest has."""

    disks: int
    queues: int
    size: int
    """Entries of each queue."""
    requests: int
    """Asked of each disk at once; a ring holds no more than its size."""
    packed: bool = False
    cpus: int = 4
    memory_mb: int = 512
    iothread: bool = False
    """Whether an iothread serves the disks, and not the main loop."""


SHAPES = {
    "many": Shape(disks=64, queues=4, size=256, requests=16),
    "full": Shape(disks=1, queues=1, size=1024, requests=2048),
    "full-packed": Shape(disks=1, queues=1, size=1024, requests=2048, packed=True),
}


HOST = Shape(disks=64, queues=4, size=1024, requests=16, memory_mb=1536, iothread=True)
"""What QEMU's side is measured on: large rings, and so tags for a quarter of a million requests in the guest."""


class Dump(NamedTuple):
    """A guest's memory, and what reads it."""

    vmcore: pathlib.Path
    kernel: Kernel
    shape: Shape


def dump(name: str, directory: pathlib.Path) -> Dump:
    """The dump of one of SHAPES; made if the directory has none."""
    shape, path = SHAPES[name], directory / name / "vmcore"
    if not path.exists():
        with Machine(path.parent, shape) as machine:
            machine.hang()
            machine.dump(path)
    return Dump(path, kernel(), shape)


class Machine:
    """A running machine.  Leaving the context kills it."""

    def __init__(self, directory: pathlib.Path, shape: Shape) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._shape = shape
        self._log = directory / "console.log"
        self._sockets = tempfile.TemporaryDirectory(prefix="vqcheck-benchmark-")
        self._process: "Optional[subprocess.Popen[bytes]]" = None

    def __enter__(self) -> "Machine":
        self._log.unlink(missing_ok=True)  # an earlier machine's would be taken for this one's
        self._process = subprocess.Popen(self._command(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.STDOUT, env={"MALLOC_ARENA_MAX": "1"})
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._sockets.cleanup()

    @property
    def pid(self) -> int:
        """QEMU's."""
        assert self._process is not None
        return self._process.pid

    @property
    def qmp(self) -> pathlib.Path:
        """QEMU's QMP socket, which takes one client at a time."""
        return pathlib.Path(self._sockets.name, "qmp")

    def wait_up(self) -> None:
        """Wait until the guest has found its disks; it does nothing then until `hang`."""
        self._wait(lambda: "BENCHMARK-UP" in self._console(), "guest")

    def hang(self) -> None:
        """Let all disks stand still, and fill their rings."""
        assert self._process is not None and self._process.stdin is not None
        self.wait_up()
        qmp = Qmp(self.qmp)
        qmp.command("qom-set", path="/objects/still", property="limits", value={"bps-total": 1})
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        # The throttle may let the first request through.
        wanted = self._shape.disks * min(self._shape.requests, self._shape.size) - 1
        self._wait(lambda: self._in_flight() >= wanted, f"{wanted} requests in flight")
        qmp.close()

    def dump(self, path: pathlib.Path) -> None:
        """Copy the guest's RAM while QEMU is stopped."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        ram = next(link for link in pathlib.Path(f"/proc/{self._process.pid}/fd").iterdir()
                   if "/memfd:" in str(link.readlink()))
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        subprocess.run(["dd", f"if={ram}", f"of={part}", "bs=1M", f"seek={vmcore.RAM_OFFSET >> 20}", "conv=sparse",
                        "status=none"], check=True)
        vmcore.finish(part)
        part.rename(path)

    def core(self, path: pathlib.Path) -> None:
        """Have gdb write a core of QEMU, the guest's RAM included."""
        subprocess.run(["gdb", "-nx", "-batch", "-p", str(self.pid), "-ex", "set debuginfod enabled off", "-ex",
                        f"gcore {path}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)

    def _command(self) -> List[str]:
        shape, linux = self._shape, kernel()
        memory = f"memory-backend-memfd,id=ram,size={shape.memory_mb}M,share=on"
        command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", str(qemu()), "-machine", "q35,memory-backend=ram",
                   "-cpu", "qemu64", "-smp", str(shape.cpus), "-m", str(shape.memory_mb), "-object", memory,
                   "-accel", "tcg,tb-size=32", "-nodefaults", "-no-user-config", "-display", "none",
                   "-device", "vmcoreinfo", "-chardev", f"stdio,id=console,signal=off,logfile={self._log}",
                   "-serial", "chardev:console",
                   "-qmp", f"unix:{self.qmp},server=on,wait=off", "-kernel", str(linux.vmlinuz),
                   "-initrd", str(_initramfs(linux, self._directory, shape)),
                   "-append", "console=ttyS0 quiet panic=-1", "-object", "throttle-group,id=still"]
        if shape.iothread:
            command += ["-object", "iothread,id=iothread1"]
        for path in FIRMWARE:
            command += ["-L", path]
        for number in range(shape.disks):
            command += ["-blockdev", f"driver=null-co,node-name=null{number},size=67108864,read-zeroes=on",
                        "-blockdev", f"driver=throttle,node-name=disk{number},throttle-group=still,file=null{number}",
                        "-device", f"virtio-blk-pci,id=virtio-disk{number},drive=disk{number},"
                                   f"num-queues={shape.queues},{'iothread=iothread1,' if shape.iothread else ''}"
                                   f"queue-size={shape.size},packed={'on' if shape.packed else 'off'},"
                                   f"request-merging=off,addr={2 + number // 8:x}.{number % 8},multifunction=on"]
        return command

    def _in_flight(self) -> int:
        return max(map(int, re.findall(r"BENCHMARK-INFLIGHT (\d+) end", self._console())), default=0)

    def _console(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _wait(self, probe: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not probe():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no {what}: QEMU ended with {self._process.returncode}: {self._console()[-1000:]}")
            time.sleep(0.2)


def _initramfs(linux: Kernel, directory: pathlib.Path, shape: Shape) -> pathlib.Path:
    root, image = directory / "root", directory / "initramfs"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "modules"):
        (root / name).mkdir(parents=True)
    shutil.copy(linux.busybox, root / "bin" / "busybox")
    modules = linux.load_order(DISK_MODULES)
    for module in modules:
        shutil.copy(module, root / "modules")
    (root / "init").write_text(INIT.format(modules=" ".join(one.name for one in modules), bytes=4096 * shape.requests))
    (root / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\n"
    packed = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.encode(),
                            stdout=subprocess.PIPE, check=True).stdout
    image.write_bytes(gzip.compress(packed, compresslevel=1))
    shutil.rmtree(root)
    return image
