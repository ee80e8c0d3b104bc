"""crash 9, which Debian 12 has not: that of a newer suite, in a chroot made by debootstrap.

Needs root, for the chroot.  What the commands in it read and write lies at the same paths inside as outside: folders
are bound in a mount namespace of their own, so that nothing is left mounted whatever happens.
"""
import pathlib
import shutil
import subprocess
from typing import List, Optional, Sequence

from . import packages
from .kernel import Kernel, kernel
from .sides import CRASH_SECONDS, run

SUITE = "forky"
SCRIPT = "/usr/share/debootstrap/scripts/sid"
"""Debian 12's debootstrap has no script of the suite's own name; all later suites are made alike."""

PACKAGES = "crash,gcc,libc6-dev,make,python3,python3-dev,python3-tabulate"
"""crash, and what its loader is built with."""

ROOT = pathlib.Path(__file__).parents[2]
NEEDED = {"debootstrap": "debootstrap", "unshare": "util-linux", "chroot": "coreutils"}

# $1: the chroot; $2: how many folders follow, then so many, the first one to be written to; then the command.
INSIDE = """
set -e
root=$1 count=$2 mode=rw
shift 2
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$count" -gt 0 ]; do
    mkdir -p "$root$1"
    mount --bind -o $mode "$1" "$root$1"
    mode=ro count=$((count - 1))
    shift
done
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 HOME=/root "$@"
"""


def chroot() -> pathlib.Path:
    """The chroot; made on first use, which takes a minute or two and 700 MB."""
    home = packages.cache_dir() / "crash-9"
    if home.exists():
        return home
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            raise RuntimeError(f"crash 9 needs {program} (package {package})")
    work = home.with_name(home.name + ".work")
    shutil.rmtree(work, ignore_errors=True)
    mirror = packages.main_mirror()
    log = home.with_name(home.name + ".log")
    with open(log, "w") as output:
        done = subprocess.run(["debootstrap", "--variant=minbase", f"--keyring={packages.KEYRING}",
                               f"--include={PACKAGES}", SUITE, str(work), mirror, SCRIPT],
                              stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"debootstrap of {SUITE} failed: see {log}")
    shutil.rmtree(work / "var/cache/apt/archives", ignore_errors=True)
    work.rename(home)
    return home


def command(words: Sequence[str], writable: pathlib.Path, folders: Sequence[pathlib.Path] = ()) -> List[str]:
    """The words that run `words` in the chroot, where `writable`, the project and `folders` are as they are here."""
    bound = list(dict.fromkeys([str(writable), str(ROOT), *map(str, folders)]))
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", INSIDE, "sh", str(chroot()),
            str(len(bound)), *bound, *words]


def crash(directory: pathlib.Path, vmcore: pathlib.Path, commands: Sequence[str], options: Sequence[str] = (),
          linux: Optional[Kernel] = None) -> str:
    """Run commands in a `vqcheck crash` of the chroot; returns what it printed.

    What the commands write must lie in `directory`; `options` are crash's own.
    """
    script = directory / "vqstate.crash9"
    script.write_text("\n".join([*commands, "quit"]) + "\n")
    linux = linux or kernel()
    words = ["env", f"PYTHONPATH={ROOT}", f"VQCHECK_MODULES={linux.debug_modules}", "python3", "-m", "vqcheck", "crash",
             "-s", *options, "-i", str(script), str(linux.vmlinux), str(vmcore)]
    folders = [linux.vmlinux.parent, linux.debug_modules, vmcore.parent]
    return run(command(words, directory, folders), CRASH_SECONDS)
