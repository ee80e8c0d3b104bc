"""A virtual machine of the lab: a real Linux in a real QEMU, with the disk under test as /dev/vdb."""
import pathlib
import signal
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Callable, Dict, List, NamedTuple, Optional, Type, TypeVar

from . import initramfs, report
from .kernel import ALL_MODULES, DEFAULT, DISK_MODULES, Kernel, kernel
from .qemu_build import qemu
from .qmp import Qmp
from .report import Report

DISK = "virtio-disk1"
"""The qdev id of the disk under test, which is vdb in the guest."""
BACKEND = f"/machine/peripheral/{DISK}/virtio-backend"
"""Its QOM path."""
NODE = "disk1"
"""Its uppermost block node."""
UUID = "5ca1ab1e-0000-4000-8000-76716368656b"
FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu")
DISK_BYTES = 64 << 20
PATIENCE = 120.0
"""Seconds for what takes a few on an idle machine."""

Found = TypeVar("Found")


class Platform(NamedTuple):
    """How a machine of an architecture is made."""
    target: str
    """QEMU's name of the architecture."""
    machine: str
    cpu: str
    console: str
    ram_start: int
    """Guest-physical address of the RAM."""


PLATFORMS: Dict[str, Platform] = {
    "amd64": Platform("x86_64", "q35", "qemu64", "ttyS0", 0),
    "arm64": Platform("aarch64", "virt", "cortex-a57", "ttyAMA0", 1 << 30),
}
"""By Debian's names of the architectures."""


class Extra(NamedTuple):
    """A device besides the disks: QEMU's words for what stands behind it, and the device itself."""
    behind: List[str]
    device: str


EXTRAS: List[Extra] = [
    Extra([], "virtio-scsi-pci,id=scsi0,num_queues=2"),
    Extra(["-netdev", "user,id=net0"], "virtio-net-pci,id=nic0,netdev=net0,romfile="),
    Extra(["-chardev", "null,id=console0"], "virtio-serial-pci,id=serial0,max_ports=4"),
    Extra(["-object", "rng-random,id=random0,filename=/dev/urandom"], "virtio-rng-pci,id=rng0,rng=random0"),
    Extra([], "virtio-balloon-pci,id=balloon0,free-page-reporting=on"),
    Extra([], "virtio-keyboard-pci,id=keyboard0"),
    Extra([], "virtio-gpu-pci,id=gpu0"),
    Extra(["-object", "cryptodev-backend-builtin,id=cryptodev0"], "virtio-crypto-pci,id=crypto0,cryptodev=cryptodev0"),
]
"""What a machine with all devices has, all of them on PCI and able to have packed rings.

Not there: vsock, which needs a vhost module in the host's kernel; fs, which needs a virtiofsd; a device behind each.
"""

ON_BUSES: List[List[str]] = [
    ["-device", "virtconsole,chardev=console0"],
    ["-chardev", "null,id=port0", "-device", "virtserialport,chardev=port0,name=org.vqcheck.lab.0"],
    ["-device", "scsi-hd,drive=disk2,bus=scsi0.0"],
    ["-device", "scsi-hd,drive=disk3,bus=scsi0.0"],
    # A device of the years before virtio 1.0; split rings, of the guest's own byte order.
    ["-object", "rng-random,id=random1,filename=/dev/urandom", "-device",
     "virtio-rng-pci,id=rng1,rng=random1,disable-modern=on,disable-legacy=off"],
]
"""What hangs on these, and what has split rings always."""


class Options(NamedTuple):
    """What may differ between machines; the defaults are those of the scenes."""
    kernel: str = DEFAULT
    """A key of kernel.SOURCES."""
    packed: bool = False
    devices: bool = False
    """Whether there is one of every virtio device."""
    queues: int = 1
    event_idx: bool = True
    iothread: bool = True
    polling: bool = False
    """Whether the iothread polls rings before it sleeps: a poll finds a request whose kick was lost."""
    writers: int = 4
    idle: bool = False
    """Whether the writers stop after a first few bursts."""
    memory_mb: int = 128


DEFAULTS = Options()


class Machine:
    """A running machine.  Leaving the context kills it, whatever state it is in."""

    def __init__(self, directory: pathlib.Path, options: Options = DEFAULTS) -> None:
        self.directory = directory
        self.options = options
        self.kernel: Kernel = kernel(options.kernel)
        self.platform = PLATFORMS[self.kernel.architecture]
        self.console_log = directory / "console.log"
        self._sockets = tempfile.TemporaryDirectory(prefix="vqcheck-lab-")  # a socket's path may have 107 bytes
        self._process: "Optional[subprocess.Popen[bytes]]" = None
        self._qmp: Optional[Qmp] = None

    def __enter__(self) -> "Machine":
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.kill()

    def kill(self) -> None:
        """End QEMU by SIGKILL: a QEMU that hangs in a drain heeds nothing less."""
        if self._qmp:
            self._qmp.close()
        if self._process:
            self._process.kill()
            self._process.wait()
        self._sockets.cleanup()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the machine has not been started"
        return self._process.pid

    @property
    def qmp(self) -> Qmp:
        """The QMP conversation, begun on first use."""
        if self._qmp is None:
            self._qmp = Qmp(pathlib.Path(self._sockets.name, "qmp"))
        return self._qmp

    @property
    def monitor(self) -> pathlib.Path:
        """The socket of a human monitor, left free for whoever wants to look into the machine by hand."""
        return pathlib.Path(self._sockets.name, "monitor")

    def interrupt(self) -> None:
        """Stop QEMU in the gdb that is attached to it; without one, this would end it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)

    def ram_fd(self) -> int:
        """The number of QEMU's file descriptor that holds guest RAM."""
        for link in pathlib.Path(f"/proc/{self.pid}/fd").iterdir():
            if "/memfd:" in str(link.readlink()):
                return int(link.name)
        raise RuntimeError("QEMU has no memfd open")

    def console(self) -> str:
        """All that the guest has printed so far."""
        return self.console_log.read_text(errors="replace") if self.console_log.exists() else ""

    def reports(self) -> List[Report]:
        """All that the guest has reported of /dev/vdb so far."""
        return report.parse(self.console())

    def truth(self) -> Report:
        """The guest's last report."""
        return self.reports()[-1]

    def wait(self, what: str, probe: Callable[[], Optional[Found]], timeout: float = PATIENCE) -> Found:
        """Wait until `probe` finds something, and return that."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = probe()
            if found:
                return found
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError(f"QEMU ended ({self._process.returncode}) before {what}: {self._last_words()}")
            time.sleep(0.1)
        raise TimeoutError(f"no {what} within {timeout:.0f} s: {self._last_words()}")

    def wait_for(self, text: str, timeout: float = PATIENCE) -> None:
        """Wait until the guest has printed `text`."""
        self.wait(f"{text!r} on the console", lambda: text in self.console(), timeout)

    def wait_load(self) -> Report:
        """Wait until every writer has finished bursts, and is still writing."""
        return self.wait("load on /dev/vdb", self._loaded)

    def wait_quiet(self, seconds: float = 2.5, timeout: float = PATIENCE) -> Report:
        """Wait until, by the guest's own clock, nothing has moved on /dev/vdb for so long."""
        def quiet() -> Optional[Report]:
            reports = self.reports()
            still = [past for past in reports if past.motion == reports[-1].motion]
            return reports[-1] if still and still[-1].uptime - still[0].uptime >= seconds else None
        return self.wait("quiet on /dev/vdb", quiet, timeout)

    def _loaded(self) -> Optional[Report]:
        reports = self.reports()
        moving = len(reports) > 1 and reports[-1].motion != reports[-2].motion
        return reports[-1] if moving and min(reports[-1].writers) > 2 else None

    def _start(self) -> None:
        self.console_log.unlink(missing_ok=True)  # an earlier machine's would be taken for this one's
        with open(self.directory / "qemu.log", "wb") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=subprocess.STDOUT, env={"MALLOC_ARENA_MAX": "1"})
        self.wait_for("LAB-READY")
        self.wait("first report", self.reports)

    def _command(self) -> List[str]:
        """QEMU's command line.

        setpriv has the kernel kill QEMU when the lab itself dies.  The one malloc arena (in the environment) and the
        small translation buffer keep cores small: gcore writes both in full.
        """
        options, linux, platform = self.options, self.kernel, self.platform
        image = initramfs.build(linux, self.directory / "initramfs", ALL_MODULES if options.devices else DISK_MODULES)
        append = (f"console={platform.console} quiet panic=-1 lab_writers={options.writers} "
                  f"lab_runs={8 if options.idle else 0} lab_survey={options.devices:d}")
        command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", str(qemu(platform.target)), "-name", "vqcheck-lab",
                   "-uuid", UUID, "-machine", f"{platform.machine},memory-backend=ram", "-cpu", platform.cpu,
                   "-smp", "2", "-m", str(options.memory_mb),
                   "-object", f"memory-backend-memfd,id=ram,size={options.memory_mb}M,share=on",
                   "-accel", "tcg,tb-size=16", "-nodefaults", "-no-user-config", "-display", "none",
                   "-device", "vmcoreinfo", "-serial", f"file:{self.console_log}",
                   "-qmp", f"unix:{self._sockets.name}/qmp,server=on,wait=off",
                   "-monitor", f"unix:{self.monitor},server=on,wait=off",
                   "-kernel", str(linux.vmlinuz), "-initrd", str(image), "-append", append]
        for path in FIRMWARE:
            command += ["-L", path]
        return command + self._disks() + (self._all_devices() if options.devices else [])

    def _disks(self) -> List[str]:
        """virtio-disk0, which rests, and virtio-disk1 with a blkdebug node where requests can be suspended."""
        options = self.options
        packed = ",packed=on" if options.packed else ""
        words: List[str] = []
        for number in range(4 if options.devices else 2):
            with open(self.directory / f"disk{number}.raw", "wb") as image:
                image.truncate(DISK_BYTES)
            words += ["-blockdev", f"driver=file,node-name=file{number},filename={image.name}"]
        words += ["-blockdev", "driver=raw,node-name=disk0,file=file0",
                  "-device", f"virtio-blk-pci,id=virtio-disk0,drive=disk0,num-queues=1{packed}",
                  "-blockdev", "driver=blkdebug,node-name=debug1,image=file1",
                  "-blockdev", f"driver=raw,node-name={NODE},file=debug1"]
        disk = f"virtio-blk-pci,id={DISK},drive={NODE},num-queues={options.queues}{packed}"
        disk += f",event_idx={'on' if options.event_idx else 'off'}"
        if options.iothread:
            words += ["-object", f"iothread,id=iothread1,poll-max-ns={32768 if options.polling else 0}"]
            disk += ",iothread=iothread1"
        return words + ["-device", disk]

    def _all_devices(self) -> List[str]:
        packed = ",packed=on" if self.options.packed else ""
        words = [word for number in (2, 3)
                 for word in ("-blockdev", f"driver=raw,node-name=disk{number},file=file{number}")]
        for extra in EXTRAS:
            words += [*extra.behind, "-device", extra.device + packed]
        return words + [word for more in ON_BUSES for word in more]

    def _last_words(self) -> str:
        log = (self.directory / "qemu.log").read_text(errors="replace")
        return f"{log[-500:]}\n{self.console()[-1000:]}"
