"""A machine whose guest reads its own kernel: Debian's Python, drgn and this project in its initramfs.

Asked on its second serial port, it takes a snapshot of /dev/vdb and prints it there, framed, with what its kernel says
of the same disk just before and after.
"""
import pathlib
import re
import shutil
import socket
import subprocess
import sys
from typing import Dict, List, NamedTuple

from . import layouts, packages
from .kernel import Kernel
from .options import Options
from .vm import Machine

ROOT = pathlib.Path(__file__).parents[2]

PYTHON = "3.11"
"""Of Debian's suite that the lab's kernel is from."""
PACKAGES = (f"python{PYTHON}-minimal", f"libpython{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", "libc6", "libexpat1",
            "zlib1g", "liblzma5", "libbz2-1.0", "libstdc++6", "libgcc-s1")
UNUSED = (".debug_loclists", ".debug_rnglists", ".debug_line", ".debug_line_str", ".debug_frame", ".debug_aranges",
          ".BTF")
"""Sections of vmlinux that drgn does without."""

MEMORY_MB = 1536
"""The initramfs is in it twice while it is unpacked."""
FRAME_SECONDS = 900.0

BY_DEBUG_INFO = "--vmlinux /live/vmlinux --modules /live/modules"
BY_LAYOUT = "--layout /live/kernel.vqlayout"
BY_OWN_LAYOUT = "--layout /run/own.vqlayout"
"""One that the guest makes, of what its kernel says of itself."""

INIT = f"""#!/bin/busybox sh
export PATH=/bin:/usr/bin PYTHONPATH=/live
/bin/busybox mkdir -p /dev
/bin/busybox mknod /dev/null c 1 3  # the shell wants it before the other init has mounted what has it
/init &
while [ ! -e /run/writer0 ]; do /bin/busybox sleep 1; done
exec </dev/ttyS1 >/dev/ttyS1
stty raw -echo
witness() {{
    cat /proc/interrupts
    echo features=$(cat /sys/block/vdb/device/features)
    echo device=$(readlink -f /sys/block/vdb/device)
}}
[ -e /live/vmlinux -o -e /live/kernel.vqlayout ] || python{PYTHON} -m vqcheck layout save --running -o /run/own.vqlayout
while echo LIVE-READY && read what; do
    echo LIVE-BEGIN
    witness
    echo LIVE-SNAPSHOT
    python{PYTHON} -m vqcheck guest --live $what 2>/run/errors
    echo "LIVE-STATUS $?"
    cat /run/errors
    echo LIVE-AFTER
    witness
    echo LIVE-END
done
"""


class Witness(NamedTuple):
    """What the guest's kernel says of its disk."""

    interrupts: Dict[str, int]
    """By name, summed over CPUs."""
    features: int
    device: str
    """The path of its virtio device in sysfs."""


class Frame(NamedTuple):
    """One snapshot, and what was known around it."""

    before: Witness
    output: str
    status: int
    errors: str
    after: Witness


class LiveMachine(Machine):
    """A machine that prints frames."""

    def __init__(self, directory: pathlib.Path, options: Options, way: str) -> None:
        """`way` is one of the words above by which its guest reads itself."""
        super().__init__(directory, options)
        self.way = way

    @property
    def live_log(self) -> pathlib.Path:
        return self.directory / "live.log"

    @property
    def live_socket(self) -> str:
        return f"{self._sockets.name}/live"

    def snapshot(self, *words: str) -> Frame:
        """What `vqcheck guest --live WORDS` prints in the guest."""
        count = self.wait("the guest to be ready", lambda: self._said("LIVE-READY"), FRAME_SECONDS)
        with socket.socket(socket.AF_UNIX) as asking:  # nobody needs to listen: QEMU logs what it prints
            asking.connect(self.live_socket)
            asking.sendall(" ".join([self.way, *words]).encode() + b"\n")
            self.wait("the guest to be asked", lambda: self._said("LIVE-BEGIN") >= count, FRAME_SECONDS)
        self.wait("a snapshot of the guest by itself", lambda: self._said("LIVE-READY") > count, FRAME_SECONDS)
        return _frame(self._text().rpartition("LIVE-BEGIN\n")[2].partition("LIVE-END\n")[0])

    def _text(self) -> str:
        return self.live_log.read_text(errors="replace") if self.live_log.exists() else ""

    def _said(self, word: str) -> int:
        return self._text().count(f"{word}\n")

    def _command(self) -> List[str]:
        self.live_log.unlink(missing_ok=True)
        command = super()._command()
        initrd, append = command.index("-initrd") + 1, command.index("-append") + 1
        combined = self.directory / "initramfs.live"
        root = live_root(self.kernel, self.way == BY_DEBUG_INFO)
        with open(combined, "wb") as target:  # the compressed one comes last: what follows must be aligned
            for part in (root, self._sources(), pathlib.Path(command[initrd])):
                with open(part, "rb") as source:
                    shutil.copyfileobj(source, target)
        command[initrd] = str(combined)
        command[append] += " rdinit=/live-init"
        return [*command, "-chardev", f"socket,id=live,path={self.live_socket},server=on,wait=off,"
                                      f"logfile={self.live_log}", "-serial", "chardev:live"]

    def _sources(self) -> pathlib.Path:
        """An archive with this project as it is now, and the init that runs it."""
        root = self.directory / "live.root"
        for name in ("vqcheck", "crash_ext"):
            shutil.copytree(ROOT / name, root / "live" / name, ignore=shutil.ignore_patterns("__pycache__"))
        if self.way == BY_LAYOUT:
            layouts.save(self.kernel, root / "live" / "kernel.vqlayout")
        init = root / "live-init"
        init.write_text(INIT)
        init.chmod(0o755)
        archive = self.directory / "live-sources.cpio"
        _pack(root, archive)
        shutil.rmtree(root)
        return archive


def _frame(text: str) -> Frame:
    before, output, status, errors, after = re.fullmatch(
        r"(.*)^LIVE-SNAPSHOT\n(.*)^LIVE-STATUS (\d+)\n(.*)^LIVE-AFTER\n(.*)", text,
        re.MULTILINE | re.DOTALL).groups()  # type: ignore[union-attr]
    return Frame(_witness(before), output, int(status), errors, _witness(after))


def _witness(text: str) -> Witness:
    interrupts: Dict[str, int] = {}
    for line in text.splitlines():
        found = re.match(r"\s*\d+:((?:\s+\d+)+)\s.*\s(virtio\S+)$", line)
        if found:
            interrupts[found[2]] = sum(map(int, found[1].split()))
    bits, device = (re.search(rf"^{name}=(.*)$", text, re.MULTILINE)[1]  # type: ignore[index]
                    for name in ("features", "device"))
    return Witness(interrupts, sum(1 << number for number, bit in enumerate(bits) if bit == "1"), device)


def live_root(linux: Kernel, debug_info: bool) -> pathlib.Path:
    """An archive for the initramfs with Python, drgn and maybe the kernel's debug information; made on first use."""
    archive = packages.cache_dir() / f"live-{linux.release}-{'debug' if debug_info else 'bare'}.cpio"
    if archive.exists():
        return archive
    root = archive.with_suffix(".work")
    shutil.rmtree(root, ignore_errors=True)
    packages.Archive().unpack(PACKAGES, root)
    live = root / "live"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--only-binary=:all:", "--python-version", PYTHON, "--target", str(live), "drgn", "tabulate"],
                   check=True)
    if debug_info:
        subprocess.run(["objcopy", "--only-keep-debug", *(word for name in UNUSED for word in ("-R", name)),
                        str(linux.vmlinux), str(live / "vmlinux")], check=True)
        shutil.copytree(linux.debug_modules, live / "modules")
    for name in ("share/doc", "share/man", "share/lintian"):
        shutil.rmtree(root / "usr" / name, ignore_errors=True)
    _pack(root, archive)
    shutil.rmtree(root)
    return archive


def _pack(root: pathlib.Path, archive: pathlib.Path) -> None:
    incoming = archive.with_suffix(".incoming")
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\n"
    with open(incoming, "wb") as target:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.encode(), stdout=target,
                       check=True)
    incoming.rename(archive)
