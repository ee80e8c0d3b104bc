"""The crash of Debian's arm64, which reads dumps of aarch64, run by QEMU's user-mode emulation.

Debian's amd64 has no crash for such dumps.  The loader is built by the cross compiler (gcc-aarch64-linux-gnu).
"""
import os
import pathlib
import shutil
import subprocess
from typing import List, Sequence, Set

from crash_ext.build import SOURCES

from . import packages
from .kernel import Kernel
from .sides import ROOT, run

COMPILER = "aarch64-linux-gnu-gcc"
WANTED = ("crash", "libpython3.11", "libpython3.11-dev", "python3.11-minimal")
NOT_WANTED = ("perl", "dpkg", "debconf", "tar", "install-info", "dash", "mime-support", "media-types", "mailcap")
"""Packages whose contents crash and Python do without."""
TRIPLE = "aarch64-linux-gnu"

SECONDS = 600


def home() -> pathlib.Path:
    """The unpacked packages; fetched on first use, 200 MB."""
    folder = packages.cache_dir() / "crash-arm64"
    if not folder.exists():
        work = folder.with_name(folder.name + ".work")
        shutil.rmtree(work, ignore_errors=True)
        archive = packages.Archive(architecture="arm64")
        archive.unpack(_closure(archive), work / "root")
        packages.Archive().unpack(["qemu-user-static"], work / "qemu")
        (work / "lib").mkdir()  # the linker is to find this one library there, and none of the C library's
        (library,) = (work / "root/usr/lib" / TRIPLE).glob("libpython3.*.so.1.0")
        shutil.copy(library, work / "lib" / library.name[:-len(".1.0")])
        work.rename(folder)
    return folder


def _closure(archive: packages.Archive) -> List[str]:
    """What is wanted and all that it depends on."""
    found: Set[str] = set()
    waiting = list(WANTED)
    while waiting:
        name = waiting.pop()
        if name not in found and not name.startswith(("<", *NOT_WANTED)):
            found.add(name)
            waiting += [one.partition(":")[0] for one in archive.dependencies(name)]
    return sorted(found)


def crash(directory: pathlib.Path, vmcore: pathlib.Path, commands: Sequence[str], linux: Kernel) -> str:
    """Run commands in that crash, with our loader; returns what it printed."""
    base = home()
    program = directory / "crash-arm64"
    program.write_text(f"#!/bin/sh\nexec {base}/qemu/usr/bin/qemu-aarch64-static -L {base}/root "
                       f"{base}/root/usr/bin/crash \"$@\"\n")
    program.chmod(0o755)
    script = directory / "vqstate.crash-arm64"
    script.write_text("\n".join([f"extend {_loader(directory, program)}", *commands, "quit"]) + "\n")
    return run(["env", f"VQCHECK_MODULES={linux.debug_modules}", f"VQCHECK_PATH={ROOT}", str(program), "-s", "-i",
                str(script), str(linux.vmlinux), str(vmcore)], SECONDS)


def _loader(directory: pathlib.Path, program: pathlib.Path) -> pathlib.Path:
    base = home()
    include = base / "root/usr/include"
    (python,) = include.glob("python3.*")
    subprocess.run(["make", "-s", "-C", str(SOURCES), "--always-make", f"BUILD={directory}", f"CRASH={program}",
                    f"CRASH_INCLUDE={include}/crash", f"CC={COMPILER}", "PYTHON=/usr/bin/python3",
                    f"PYTHON_HEADER={python}/Python.h",
                    f"PYTHON_FLAGS=-isystem {python} -isystem {include} -L{base}/lib -l{python.name} "
                    "-Wl,--allow-shlib-undefined"],
                   check=True, env={"PATH": os.environ["PATH"]})
    return directory / "vqstate.so"
