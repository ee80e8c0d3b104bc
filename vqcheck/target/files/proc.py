"""What /proc says of a live process, without a debugger and without touching it.

Source: Linux Documentation/filesystems/proc.rst; fs/proc/base.c (proc_pid_syscall()), fs/proc/array.c
(task_state_array), fs/eventfd.c.
"""
import os
import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from ..errors import NotSupported
from .core_map import auxiliary_vector


class Mapped(NamedTuple):
    """A mapping of a process."""

    start: int
    end: int
    shared: bool
    offset: int
    """Where in the file it begins."""
    device: Tuple[int, int]
    """Major and minor number of the file's device."""
    inode: int
    """0 where there is no file."""
    path: str


class Standing(NamedTuple):
    """Where a thread stood that waits in the kernel."""

    pc: int
    sp: int


def eventfd_count(pid: int, fd: int) -> Optional[int]:
    """The counter of an eventfd of a process; None where the descriptor is none.  Raises NotSupported."""
    found = re.search(r"^eventfd-count:\s*([0-9a-f]+)$", _text(f"/proc/{pid}/fdinfo/{fd}"), re.MULTILINE)
    return int(found.group(1), 16) if found else None


def auxv(pid: int) -> Dict[int, int]:
    """The auxiliary vector of a process.  Raises NotSupported."""
    path = f"/proc/{pid}/auxv"
    try:
        with open(path, "rb") as file:
            return auxiliary_vector(file.read(4096))
    except OSError as problem:
        raise NotSupported(f"{path}: {problem.strerror}")


def threads(pid: int) -> List[int]:
    """The ids of a process's threads, its first one first.  Raises NotSupported."""
    try:
        return sorted(map(int, os.listdir(f"/proc/{pid}/task")))
    except OSError as problem:
        raise NotSupported(f"/proc/{pid}/task: {problem.strerror}")


def thread_name(pid: int, thread: int) -> Optional[str]:
    """A thread's name; None for one that has ended."""
    try:
        return _text(f"/proc/{pid}/task/{thread}/comm").rstrip("\n")
    except NotSupported:
        return None


def standing(pid: int, thread: int) -> Standing:
    """Where a thread stands.  Raises NotSupported for one that runs, as then nobody knows."""
    words = _text(f"/proc/{pid}/task/{thread}/syscall").split()
    if len(words) < 3:
        raise NotSupported("it was running: where, shows only when it is stopped")
    return Standing(int(words[-1], 16), int(words[-2], 16))


def mapped_files(pid: int) -> List[Tuple[int, int, str]]:
    """(start, end, path) of the mappings of files, without the thousands of others that a large VM has.

    Raises NotSupported.
    """
    found = []
    for line in _text(f"/proc/{pid}/maps").splitlines():
        where, slash, path = line.partition("/")
        if slash:
            start, end = (int(word, 16) for word in where.split(None, 1)[0].split("-"))
            found.append((start, end, slash + path))
    return found


def stopped(pid: int) -> bool:
    """Whether all threads of a process are stopped, by a signal or by a debugger.  Raises NotSupported."""
    return all(_state(pid, thread) in "Tt" for thread in threads(pid))


def _state(pid: int, thread: int) -> str:
    """The state of a thread, a letter; that of one that is gone is X."""
    try:
        _, _, rest = _text(f"/proc/{pid}/task/{thread}/stat").rpartition(")")  # the name before it may hold anything
    except NotSupported:
        return "X"
    return rest.split()[0]


def mappings(pid: int) -> List[Mapped]:
    """The mappings of a process, by ascending addresses.  Raises NotSupported."""
    found = []
    for line in _text(f"/proc/{pid}/maps").splitlines():
        where, permissions, offset, device, inode, *path = line.split(None, 5)
        start, end = (int(word, 16) for word in where.split("-"))
        major, minor = (int(word, 16) for word in device.split(":"))
        found.append(Mapped(start, end, "s" in permissions, int(offset, 16), (major, minor), int(inode),
                            path[0] if path else ""))
    return found


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError as problem:
        raise NotSupported(f"{path}: {problem.strerror}")
