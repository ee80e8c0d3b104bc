"""A virtual machine of the lab: a real Linux in a real QEMU, with the disk under test as /dev/vdb."""
import pathlib
import signal
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Callable, List, Optional, Type, TypeVar

from . import devices, disks, initramfs, qemu_build, report
from .kernel import ALL_MODULES, DISK_MODULES, Kernel, kernel
from .options import DEFAULTS, Options
from .qmp import Qmp
from .report import Report
from .vhost_user import KINDS, Backend

UUID = "5ca1ab1e-0000-4000-8000-76716368656b"
FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu")
PATIENCE = 120.0
"""Seconds for what takes a few on an idle machine."""
SILENCE, BOOTS = 75.0, 3
"""About one boot in a hundred stands still under emulation before it prints anything, while the kernel measures its
clocks, or for want of a timer's interrupt soon after: after so many seconds the machine is started again, so many times
in all.  So it is when QEMU gives up meanwhile: 10.0 once failed its own assertion there, in iotlb_to_section()."""

Found = TypeVar("Found")
Self = TypeVar("Self", bound="Machine")


class Ended(RuntimeError):
    """QEMU ended by itself."""


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

    def __enter__(self: Self) -> Self:
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
        """The QOM path of the virtio device under test: on PCI it is the backend of a proxy, else one of its own."""
        path = f"/machine/peripheral/{self.options.subject.device}"
        return path if self.platform.bus == "device" else path + "/virtio-backend"

    @property
    def block_path(self) -> str:
        """The QOM path of the device that owns its BlockBackend."""
        return f"/machine/peripheral/{self.options.subject.block}"

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
                raise Ended(f"QEMU ended ({self._process.returncode}) before {what}: {self._last_words()}")
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
                self.wait_for("LAB-READY")
                break
            except (TimeoutError, Ended):
                if left == 0:
                    raise
                self._stop()
        self.wait("first report", self.reports)

    def _boot(self) -> None:
        self.console_log.unlink(missing_ok=True)  # an earlier machine's would be taken for this one's
        if self.options.devices:
            self._backends = [Backend(pathlib.Path(self._sockets.name, one.other_end), KINDS[one.other_end])
                              for one in devices.of(self.platform_name, self.options.qemu) if one.other_end]
        with open(self.directory / "qemu.log", "wb") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=subprocess.STDOUT, env={"MALLOC_ARENA_MAX": "1"})

    def _command(self) -> List[str]:
        """QEMU's command line.

        setpriv has the kernel kill QEMU when the lab itself dies.  The one malloc arena (in the environment) and the
        small translation buffer keep cores small: gcore writes both in full.
        """
        options, linux, platform = self.options, self.kernel, self.platform
        image = initramfs.build(linux, self.directory / "initramfs",
                                ALL_MODULES if options.devices else (*DISK_MODULES, *options.modules))
        append = (f"console={platform.console}{platform.kernel_words} quiet panic=-1 lab_writers={options.writers} "
                  f"lab_runs={8 if options.idle else 0} lab_survey={options.devices:d} lab_pinned={options.pinned:d} "
                  f"lab_disk={options.subject.disk} lab_net={options.network:d} lab_mixed={options.mixed:d} "
                  f"ipv6.disable=1{' unknown_nmi_panic panic=0' if options.panics else ''}")
        memory = f"{options.memory_mb}M{platform.more_memory if options.devices else ''}"
        command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", *(disks.IN_NAMESPACE if options.pairs > 1 else ()),
                   str(self.qemu), "-name", "vqcheck-lab",
                   "-uuid", UUID, "-machine", f"{platform.machine},memory-backend=ram", "-cpu", platform.cpu,
                   "-smp", str(options.cpus), "-m", memory,
                   "-object", f"memory-backend-memfd,id=ram,size={options.memory_mb}M,share=on",
                   "-accel", "tcg,tb-size=16", "-nodefaults", "-no-user-config", "-display", "none",
                   *(("-device", "vmcoreinfo") if platform.fw_cfg else ()), "-serial", f"file:{self.console_log}",
                   "-qmp", f"unix:{self._sockets.name}/qmp,server=on,wait=off",
                   "-qmp", f"unix:{self.free_qmp},server=on,wait=off",
                   "-monitor", f"unix:{self.monitor},server=on,wait=off",
                   "-kernel", str(linux.vmlinuz), "-initrd", str(image), "-append", append]
        for path in FIRMWARE:
            command += ["-L", path]
        command += self._disks()
        if options.network:
            command += disks.network(options, platform)
        if options.devices:
            command += devices.words(self.platform_name, disks.layout(options), str(self.directory), self._sockets.name,
                                     options.qemu)
        return command

    def _disks(self) -> List[str]:
        """virtio-disk0, which rests or hangs, the disk under test, and in a mixed load a SCSI disk."""
        return disks.words(self.options, self.platform, self.directory)

    def _last_words(self) -> str:
        log = (self.directory / "qemu.log").read_text(errors="replace")
        return f"{log[-500:]}\n{self.console()[-1000:]}"
