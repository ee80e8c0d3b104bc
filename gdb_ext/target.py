"""gdb as a Target: a live process or a core, looked at and never touched."""
import contextlib
import os
import re
import time
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

import gdb

from vqcheck.target.errors import NotSupported, TargetError, Unreadable
from vqcheck.target.files import elf_tls, proc
from vqcheck.target.files.core_map import CoreMap, NotACore, mapped_file, missing, read_core_map
from vqcheck.target.layouts.process_layout import AT_ENTRY
from vqcheck.target.target import Identity, Member, Target, Thread

from . import unwind
from .types import Types

MAX_FRAMES = 64


class GdbTarget(Target):
    """Answers from gdb's current inferior.  Raises TargetError when there is no process and no core."""

    def __init__(self, types: Optional[Types] = None) -> None:
        """`types` are those of the same program, looked up before."""
        self._inferior = gdb.selected_inferior()
        if not self._inferior.pid:
            raise TargetError("there is nothing to look at: attach to a QEMU process or open its core first")
        self._core_path = _core_path()
        self._core: Optional[CoreMap] = None
        if self._core_path:
            try:
                self._core = read_core_map(self._core_path)
            except (NotACore, OSError) as problem:
                raise TargetError(f"the core can't be trusted, as its program headers can't be read: {problem}")
        self._program = _program_in(self._core) | {os.path.realpath(gdb.current_progspace().filename or "")}
        self._own_files = _own_files() | self._program
        self._types = types or Types()
        self._files: Optional[List[Tuple[int, int, str]]] = None
        self.pointer_size = gdb.lookup_type("void").pointer().sizeof
        self.byte_order = "big" if "big" in gdb.execute("show endian", to_string=True) else "little"

    def symbol(self, name: str) -> Optional[int]:
        for found in self._types.variables(name):
            address = found.value().address
            if address is not None:  # the compiler may have left no place for it
                return int(address)
        return None

    def symbol_name(self, address: int) -> Optional[str]:
        text = gdb.execute(f"info symbol {address:#x}", to_string=True)
        found = re.match(r"(\S+) in section ", text)
        return found.group(1) if found else None

    def unwind(self, registers: Mapping[str, int]) -> Sequence[str]:
        try:
            with self._selection_kept():
                return unwind.functions(registers, self._library)
        except gdb.error as problem:
            raise TargetError(f"the stack can't be unwound: {problem}")

    def tls_offset(self, name: str) -> Optional[int]:
        # From the file: gdb itself would need libthread_db, and the selected thread's registers.
        if not self._types.variables(name):
            return None
        for path in _symbol_files(gdb.current_progspace().filename):
            try:
                found = elf_tls.tls_offset(path, name)
            except (OSError, ValueError) as problem:
                raise NotSupported(f"{path}: {problem}")
            if found is not None:
                return found
        raise NotSupported(f"the symbol table does not say where the thread-local {name} lies")

    def auxv(self) -> Dict[int, int]:
        text = gdb.execute("info auxv", to_string=True)
        return {int(kind): int(value, 0)
                for kind, value in re.findall(r"^(\d+)\s+.*?\s(0x[0-9a-f]+|\d+)(?:\s+\".*)?$", text, re.MULTILINE)}

    def type_size(self, type_name: str) -> Optional[int]:
        return self._types.size(type_name)

    def member(self, type_name: str, path: str) -> Optional[Member]:
        return self._types.member(type_name, path)

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        if physical:
            raise NotSupported("gdb knows no guest-physical addresses")
        if self._core is not None:
            reason = missing(self._core, address, size, self._own_files)
            if reason:
                raise Unreadable(address, size, reason)
        try:
            return bytes(self._inferior.read_memory(address, size))
        except (gdb.error, OverflowError) as problem:
            raise Unreadable(address, size, str(problem))

    def threads(self) -> Sequence[Thread]:
        with self._selection_kept():
            return [_thread(thread, self._library)
                    for thread in sorted(self._inferior.threads(), key=lambda one: one.num)]

    def _library(self, address: int) -> Optional[str]:
        """The file that was mapped at an address, where that is not the program itself."""
        try:
            if self._core is not None:
                path = mapped_file(self._core, address)
            elif self._is_here():
                path = self._mapped_file(address)
            else:
                path = gdb.solib_name(address)
        except NotSupported:
            return None
        return None if path is None or path in self._program else path

    def _mapped_file(self, address: int) -> Optional[str]:
        if self._files is None:
            self._files = proc.mapped_files(self._inferior.pid)
        return next((path for start, end, path in self._files if start <= address < end), None)

    @contextlib.contextmanager
    def _selection_kept(self) -> Iterator[None]:
        """Leaves the user in the thread and the frame where they were."""
        before = gdb.selected_thread()
        frame = gdb.selected_frame() if before is not None else None
        try:
            yield
        finally:
            if before is not None:
                before.switch()
            if frame is not None and frame.is_valid():
                frame.select()

    def eventfd_count(self, fd: int) -> Optional[int]:
        if self._core_path:
            raise NotSupported("an eventfd's counter is in the host's kernel, not in a core")
        if not self._is_here():
            raise NotSupported("an eventfd's counter is known for a process of this machine only")
        return proc.eventfd_count(self._inferior.pid, fd)

    def _is_here(self) -> bool:
        """Whether it is a process of this machine."""
        connection = getattr(self._inferior, "connection", None)
        return connection is None or bool(connection.type == "native")

    def identity(self) -> Identity:
        program = gdb.current_progspace().filename
        version = re.search(r"\d+\.\d+(\.\d+)?", gdb.VERSION)
        return Identity(
            debugger=f"gdb {version.group() if version else gdb.VERSION}",
            method="core" if self._core_path else "live",
            source=os.path.basename(self._core_path or program or "") or None,
            pid=self._inferior.pid,
            build_id=_build_id(program),
            time=os.path.getmtime(self._core_path) if self._core_path else time.time(),
            time_source="the core file's time stamp" if self._core_path else "this machine's clock",
            machine=_machine(),
            monotonic_ns=None if self._core_path or not self._is_here() else int(time.monotonic() * 1e9),
        )


MACHINES = {"i386:x86-64": "x86_64", "aarch64": "aarch64", "s390:64-bit": "s390x", "powerpc:common64": "ppc64le",
            "riscv:rv64": "riscv64"}
"""Architectures as gdb names them, and as uname -m does."""


def _machine() -> Optional[str]:
    text = gdb.execute("show architecture", to_string=True)
    return next((MACHINES[name] for name in re.findall(r'"([^"]+)"', text) if name in MACHINES), None)


def _core_path() -> Optional[str]:
    found = re.search(r"core dump file:\s+`(.+)', file type", gdb.execute("info files", to_string=True))
    return found.group(1) if found else None


def _own_files() -> FrozenSet[str]:
    names = [objfile.filename for objfile in gdb.objfiles()]
    return frozenset(os.path.realpath(name) for name in names if name)


def _symbol_files(program: Optional[str]) -> List[str]:
    """The program's file, and the separate one with its debug information."""
    if program is None:
        return []
    owner = [one.filename for one in gdb.objfiles() if one.owner is not None and one.owner.filename == program]
    return [path for path in [*owner, program] if path]


def _program_in(core: Optional[CoreMap]) -> FrozenSet[str]:
    """The program's name in the core: the same binary may lie somewhere else on the machine that reads it."""
    entry = core.auxv.get(AT_ENTRY) if core is not None else None
    path = mapped_file(core, entry) if core is not None and entry is not None else None
    return frozenset((path,)) if path else frozenset()


def _build_id(program: Optional[str]) -> Optional[str]:
    try:
        return str(gdb.lookup_objfile(program).build_id) if program else None
    except ValueError:
        return None


def _thread(thread: Any, library: unwind.Library) -> Thread:
    """A thread's stack.  Function names come from debug information or symbols."""
    functions: List[str] = []
    try:
        thread.switch()
        frame = gdb.newest_frame()
        while frame is not None and len(functions) < MAX_FRAMES:
            functions.append(unwind.function(frame, library))
            frame = frame.older()
    except gdb.error as problem:
        if not functions:
            return Thread(thread.ptid[1] or thread.ptid[0], thread.name, None, str(problem))
    return Thread(thread.ptid[1] or thread.ptid[0], thread.name, tuple(functions))
