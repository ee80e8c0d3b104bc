"""A virtual machine of the lab: a real Linux in a real QEMU, with the disk under test as /dev/vdb."""
import pathlib
import signal
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Callable, List, NamedTuple, Optional, Type, TypeVar

from . import devices, initramfs, qemu_build, report
from .kernel import ALL_MODULES, DEFAULT, DISK_MODULES, Kernel, kernel
from .qmp import Qmp
from .report import Report
from .vhost_user import KINDS, Backend

DISK = "virtio-disk1"
"""The qdev id of the disk under test, which is vdb in the guest."""
BACKEND = f"/machine/peripheral/{DISK}/virtio-backend"
"""Its QOM path on PCI, where it is the backend of a proxy."""
BACKEND_MMIO = f"/machine/peripheral/{DISK}"
"""And on virtio-mmio, where it is a device of its own."""
NODE = "disk1"
"""Its uppermost block node."""
UUID = "5ca1ab1e-0000-4000-8000-76716368656b"
FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu")
DISK_BYTES = 64 << 20
PATIENCE = 120.0
"""Seconds for what takes a few on an idle machine."""
SILENCE, BOOTS = 75.0, 3
"""About one boot in a hundred stands still under emulation before it prints anything, while the kernel measures its
clocks: after so many seconds the machine is started again, so many times in all."""

Found = TypeVar("Found")


class Options(NamedTuple):
    """What may differ between machines; the defaults are those of the scenes."""
    kernel: str = DEFAULT
    """A key of kernel.SOURCES."""
    qemu: str = qemu_build.DEFAULT
    """A key of qemu_build.SOURCES."""
    packed: bool = False
    platform: str = ""
    """A key of devices.PLATFORMS, if not the usual one for the kernel."""
    devices: bool = False
    """Whether there is one of every virtio device, and writes that hang on two disks."""
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
        self.platform_name = options.platform or devices.USUAL[self.kernel.architecture]
        self.platform = devices.PLATFORMS[self.platform_name]
        self.qemu = qemu_build.qemu(options.qemu, self.platform.target)
        self.console_log = directory / "console.log"
        self._sockets = tempfile.TemporaryDirectory(prefix="vqcheck-lab-")  # a socket's path may have 107 bytes
        self._process: "Optional[subprocess.Popen[bytes]]" = None
        self._qmp: Optional[Qmp] = None
        self._backends: List[Backend] = []

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
        self._stop()
        self._sockets.cleanup()

    def _stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        for backend in self._backends:
            backend.close()

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
    def backend(self) -> str:
        """The QOM path of the disk under test."""
        return BACKEND if self.platform.bus == "pci" else BACKEND_MMIO

    @property
    def free_qmp(self) -> pathlib.Path:
        """A QMP socket for the product under test: each takes one client at a time, and `qmp` has the other."""
        return pathlib.Path(self._sockets.name, "free-qmp")

    @property
    def backends(self) -> List[Backend]:
        """The other ends of its vhost-user devices."""
        return self._backends

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
        for left in reversed(range(BOOTS)):
            self._boot()
            try:
                self.wait("a word of the guest", self.console, PATIENCE if left == 0 else SILENCE)
                break
            except TimeoutError:
                if left == 0:
                    raise
                self._stop()
        self.wait_for("LAB-READY")
        self.wait("first report", self.reports)

    def _boot(self) -> None:
        self.console_log.unlink(missing_ok=True)  # an earlier machine's would be taken for this one's
        if self.options.devices:
            self._backends = [Backend(pathlib.Path(self._sockets.name, one.other_end), KINDS[one.other_end])
                              for one in devices.of(self.platform_name) if one.other_end]
        with open(self.directory / "qemu.log", "wb") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=subprocess.STDOUT, env={"MALLOC_ARENA_MAX": "1"})

    def _command(self) -> List[str]:
        """QEMU's command line.

        setpriv has the kernel kill QEMU when the lab itself dies.  The one malloc arena (in the environment) and the
        small translation buffer keep cores small: gcore writes both in full.
        """
        options, linux, platform = self.options, self.kernel, self.platform
        image = initramfs.build(linux, self.directory / "initramfs", ALL_MODULES if options.devices else DISK_MODULES)
        append = (f"console={platform.console}{platform.kernel_words} quiet panic=-1 lab_writers={options.writers} "
                  f"lab_runs={8 if options.idle else 0} lab_survey={options.devices:d}")
        command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", str(self.qemu), "-name", "vqcheck-lab",
                   "-uuid", UUID, "-machine", f"{platform.machine},memory-backend=ram", "-cpu", platform.cpu,
                   "-smp", "2", "-m", f"{options.memory_mb}M{platform.more_memory if options.devices else ''}",
                   "-object", f"memory-backend-memfd,id=ram,size={options.memory_mb}M,share=on",
                   "-accel", "tcg,tb-size=16", "-nodefaults", "-no-user-config", "-display", "none",
                   "-device", "vmcoreinfo", "-serial", f"file:{self.console_log}",
                   "-qmp", f"unix:{self._sockets.name}/qmp,server=on,wait=off",
                   "-qmp", f"unix:{self.free_qmp},server=on,wait=off",
                   "-monitor", f"unix:{self.monitor},server=on,wait=off",
                   "-kernel", str(linux.vmlinuz), "-initrd", str(image), "-append", append]
        for path in FIRMWARE:
            command += ["-L", path]
        command += self._disks()
        if options.devices:
            command += devices.words(self.platform_name, options.packed, str(self.directory), self._sockets.name)
        return command

    def _disks(self) -> List[str]:
        """virtio-disk0, which rests or hangs, and virtio-disk1 with a blkdebug node where requests can be suspended."""
        options, bus = self.options, self.platform.bus
        packed = ",packed=on" if options.packed else ""
        words: List[str] = []
        for number in range(4 if options.devices else 2):
            with open(self.directory / f"disk{number}.raw", "wb") as image:
                image.truncate(DISK_BYTES)
            words += ["-blockdev", f"driver=file,node-name=file{number},filename={image.name}"]
        for number in (0, 2, 3) if options.devices else (0,):
            words += self._node(number)
        words += ["-device", f"virtio-blk-{bus},id=virtio-disk0,drive=disk0,num-queues=1{packed}",
                  "-blockdev", "driver=blkdebug,node-name=debug1,image=file1",
                  "-blockdev", f"driver=raw,node-name={NODE},file=debug1"]
        disk = f"virtio-blk-{bus},id={DISK},drive={NODE},num-queues={options.queues}{packed}"
        disk += f",event_idx={'on' if options.event_idx else 'off'}"
        if options.iothread and self.platform.eventfds:
            words += ["-object", f"iothread,id=iothread1,poll-max-ns={32768 if options.polling else 0}"]
            disk += ",iothread=iothread1"
        return words + ["-device", disk]

    def _node(self, number: int) -> List[str]:
        """A disk's block node; of two in a machine with all devices, one where a second write hangs."""
        name, below = f"node-name=disk{number}", f"file=file{number}"
        if not self.options.devices or number == 2:
            return ["-blockdev", f"driver=raw,{name},{below}"]
        return ["-object", f"throttle-group,id=slow{number},x-bps-write=1",
                "-blockdev", f"driver=throttle,{name},throttle-group=slow{number},{below}"]

    def _last_words(self) -> str:
        log = (self.directory / "qemu.log").read_text(errors="replace")
        return f"{log[-500:]}\n{self.console()[-1000:]}"
