"""A QEMU process in drgn: a core, or a live one that goes on running while it is read.

Needs the drgn package (`pip install vqcheck[drgn]`).
"""
import os
import time
from typing import Callable, Dict, FrozenSet, Mapping, Optional, Sequence, Tuple

import drgn

from ..errors import NotSupported, TargetError, Unreadable
from ..files import elf, elf_tls, proc
from ..files.core_map import CoreMap, NotACore, mapped_file, missing, read_core_map
from ..target import Identity, Thread
from .target import DrgnTarget, machine_name
from .warnings import heard

MAX_FRAMES = 64

REGISTERS: Dict["drgn.Architecture", Tuple[str, ...]] = {
    drgn.Architecture.X86_64: tuple("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags "
                                    "rsp ss".split()),
    drgn.Architecture.AARCH64: (*(f"x{number}" for number in range(31)), "sp", "pc", "pstate"),
}
"""Struct pt_regs of each architecture, by gdb's names of the registers (Linux arch/*/include/asm/ptrace.h)."""

NO_DEBUG_INFO = ("Debian and Ubuntu: package qemu-system-x86-dbgsym from the debug archive; Fedora and RHEL: "
                 "`dnf debuginfo-install qemu-kvm-core`; or a layout file with --layout")


NAMES = ("qemu", "kvm")
"""What the names of QEMU's binaries have in them."""

NO_PROCESS = "no core of a process, as it has no auxiliary vector. A dump of a guest's memory is for `vqcheck guest`"


class CannotOpen(TargetError):
    """There is no process to be read there; the text says why, and what to do."""


class ProcessTarget(DrgnTarget):
    """Answers about a process.  What a core left out is not read from anywhere else, but for the program's files."""

    def __init__(self, program: "drgn.Program", source: Optional[str], pid: Optional[int], core: Optional[CoreMap],
                 descriptor: Optional[int] = None) -> None:
        """`core` is the map of the core file that is read, None for a live process."""
        main = program.main_module()
        super().__init__(program, source, main.build_id.hex() if main.build_id else None)
        self.core = core
        self._pid = pid
        self._descriptor = descriptor
        self._main = main
        self._own_files = _own_files(program, core)
        self._pt_regs: Optional["drgn.Type"] = None

    def symbol(self, name: str) -> Optional[int]:
        # A static of the program is meant, and no library's variable of the same name.
        try:
            address = self.program.variable(name).address_
        except (LookupError, ValueError):
            address = None
        if address is not None and self._is_own(address):
            return int(address)
        found = [int(symbol.address) for symbol in self.program.symbols(name) if self._is_own(symbol.address)]
        return found[0] if found else None

    def _is_own(self, address: int) -> bool:
        """Whether an address lies in the program itself."""
        return any(start <= address < end for start, end in self._main.address_ranges or ())

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        if physical:
            raise NotSupported("a process has no guest-physical addresses")
        if self.core is not None:
            reason = missing(self.core, address, size, self._own_files)
            if reason:
                raise Unreadable(address, size, reason)
        try:
            return super().read(address, size)
        except Unreadable:
            raw = self._from_files(address, size)
            if raw is None:
                raise
            return raw

    def _from_files(self, address: int, size: int) -> Optional[bytes]:
        """What the program's file has there: a core leaves out what is not changed in memory."""
        path, bias = self._main.loaded_file_path, self._main.loaded_file_bias
        if self.core is None or path is None or bias is None:
            return None
        return elf.linked_bytes(path, address - bias, size)

    def threads(self) -> Sequence[Thread]:
        if self._pid is not None and self.core is None:
            return [self._live_thread(self._pid, one) for one in proc.threads(self._pid)]
        found = [self._thread(thread)._replace(name=thread.name) for thread in self.program.threads()]
        return sorted(found, key=lambda one: one.id)

    def _thread(self, thread: "drgn.Thread") -> Thread:
        try:
            return Thread(thread.tid, None, self._names(thread.stack_trace()))
        except (ValueError, LookupError, drgn.FaultError) as problem:
            return Thread(thread.tid, None, None, f"the stack can't be unwound: {problem}")

    def _live_thread(self, pid: int, thread: int) -> Thread:
        """A thread that waits in the kernel, if it still stands there after its stack was read."""
        name = proc.thread_name(pid, thread)
        try:
            before = proc.standing(pid, thread)
            functions = self._unwound(self._live_registers(before))
            if proc.standing(pid, thread) != before:
                raise NotSupported("it moved while its stack was read")
            return Thread(thread, name, functions)
        except TargetError as problem:
            return Thread(thread, name, None, str(problem))

    def _live_registers(self, place: proc.Standing) -> Dict[str, int]:
        arm = self._architecture() == drgn.Architecture.AARCH64
        return {"pc" if arm else "rip": place.pc, "sp" if arm else "rsp": place.sp}

    def unwind(self, registers: Mapping[str, int]) -> Sequence[str]:
        return self._unwound(registers)

    def _unwound(self, registers: Mapping[str, int]) -> Tuple[str, ...]:
        names = REGISTERS.get(self._architecture())
        if names is None:
            raise NotSupported("stacks of this architecture are not unwound")
        if self._pt_regs is None:
            word = self.program.int_type("unsigned long", 8, False)
            self._pt_regs = self.program.struct_type("pt_regs", 8 * len(names), [
                drgn.TypeMember(word, name, 64 * place) for place, name in enumerate(names)])
        values = {name: value for name, value in registers.items() if name in names}
        try:
            frames = self.program.stack_trace(drgn.Object(self.program, self._pt_regs, values))
        except (ValueError, LookupError, drgn.FaultError) as problem:
            raise NotSupported(f"the stack can't be unwound: {problem}")
        return self._names(frames)

    def _names(self, frames: "drgn.StackTrace") -> Tuple[str, ...]:
        return tuple(self._function(frame) for frame in list(frames)[:MAX_FRAMES])

    def _function(self, frame: "drgn.StackFrame") -> str:
        """The name of a frame's function; where there is none its address, and the library that it lies in."""
        name = frame.name
        if name and not name.startswith(("0x", "???")):
            return str(name)
        try:
            pc = int(frame.pc)
        except LookupError:
            return "??"
        try:
            module = self.program.module(pc)
        except LookupError:
            return f"{pc:#x}"
        return f"{pc:#x}" + ("" if module == self._main else f" in {os.path.basename(module.name)}")

    def _architecture(self) -> "Optional[drgn.Architecture]":
        return self.program.platform.arch if self.program.platform else None

    def tls_offset(self, name: str) -> Optional[int]:
        for path in (self._main.debug_file_path, self._main.loaded_file_path):
            try:
                found = elf_tls.tls_offset(path, name) if path else None
            except (OSError, ValueError) as problem:
                raise NotSupported(f"{path}: {problem}")
            if found is not None:
                return found
        return None

    def eventfd_count(self, fd: int) -> Optional[int]:
        if self._pid is None or self.core is not None:
            raise NotSupported("an eventfd's counter is in the host's kernel, not in a core")
        return proc.eventfd_count(self._pid, fd)

    def auxv(self) -> Dict[int, int]:
        if self.core is not None:
            return self.core.auxv
        assert self._pid is not None
        return proc.auxv(self._pid)

    def _stopped(self) -> bool:
        try:
            return self._pid is not None and proc.stopped(self._pid)
        except NotSupported:
            return False

    def identity(self) -> Identity:
        live = self.core is None
        return Identity(
            debugger=f"drgn {drgn.__version__}",
            method="live" if live else "core",
            source=os.path.basename(self._source or self._main.name),
            pid=self._pid,
            build_id=self._build_id,
            machine=machine_name(self.program.platform),
            time=time.time() if live else os.path.getmtime(self._source or ""),
            time_source="this machine's clock" if live else "the core file's time stamp",
            runs=(live and not self._stopped()) or None,
            monotonic_ns=time.monotonic_ns() if live else None,
        )


def _own_files(program: "drgn.Program", core: Optional[CoreMap]) -> FrozenSet[str]:
    """The program and its libraries, by their names in the core."""
    names = [module.name for module in program.modules()]
    found = {os.path.realpath(name) for name in names if os.path.isabs(name)}
    if core is not None:  # the same binary may lie somewhere else on the machine that reads it
        main = program.main_module()
        ranges = main.address_ranges or []
        found |= {path for start, _ in ranges for path in [mapped_file(core, start)] if path}
    return frozenset(found)


def open_core(core: str, exe: Optional[str] = None, bare: bool = False) -> ProcessTarget:
    """QEMU's core; its binary is looked for under the name that it had if `exe` is None.

    bare: do without debug information; a layout stands in for it.

    Raises CannotOpen and OSError.
    """
    try:
        core_map = read_core_map(core)
    except NotACore as problem:
        raise CannotOpen(f"{core}: no core of a process: {problem}")
    if not core_map.auxv:
        raise CannotOpen(f"{core}: {core_map.cut or NO_PROCESS}")
    program = drgn.Program()
    try:
        program.set_core_dump(core)
    except OSError:
        raise
    except Exception as problem:  # drgn's own errors have no class of their own
        raise CannotOpen(f"{core}: {' '.join(str(problem).split())}")
    _load(program, exe, core, bare)
    return ProcessTarget(program, core, _pid_of(program), core_map)


def open_pid(pid: int, exe: Optional[str] = None, bare: bool = False) -> ProcessTarget:
    """A live QEMU, which goes on running; as open_core().  Raises CannotOpen and OSError."""
    program = drgn.Program()
    try:
        program.set_pid(pid)
    except ProcessLookupError:
        raise CannotOpen(f"there is no process {pid}")
    except PermissionError:
        raise CannotOpen(f"process {pid} is not yours to read: this needs root, or the user that it runs as and "
                         "kernel.yama.ptrace_scope 0")
    except FileNotFoundError:
        raise CannotOpen(f"there is no process {pid}")
    # drgn's own reader takes an address beyond the address space for an error that ends a stack's unwinding.
    program.add_memory_segment(0, (1 << 64) - 1, _reader(pid))
    _load(program, exe, f"process {pid}", bare)
    return ProcessTarget(program, None, pid, None)


def _reader(pid: int) -> Callable[[int, int, int, bool], bytes]:
    """Reads a live process's memory."""
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)  # for as long as this process lives

    def read(address: int, count: int, offset: int, physical: bool) -> bytes:
        try:
            raw = os.pread(descriptor, count, address)
        except (OSError, OverflowError) as problem:
            raise drgn.FaultError(str(problem), address)
        if len(raw) < count:
            raise drgn.FaultError("the process has ended" if not raw else "not mapped", address)
        return raw
    return read


def _load(program: "drgn.Program", exe: Optional[str], where: str, bare: bool) -> None:
    """Give drgn the debug information.  Raises CannotOpen where QEMU's own is not found."""
    if exe is not None:
        header = elf.header_of(exe)
        if header is None:
            raise CannotOpen(f"{exe}: not an ELF file; wanted is QEMU's binary, or the file with its debug information")
    try:
        with heard():  # it warns of every library that lacks debug information
            program.load_debug_info([exe] if exe else [], default=True)
    except OSError:
        raise
    except Exception:  # MissingDebugInfoError for the libraries; what counts is QEMU's own
        pass
    main = program.main_module()
    if bare:
        return
    theirs = main.build_id.hex() if main.build_id else "not known"
    ours = elf.build_id(exe) if exe else None
    if ours is not None and ours != theirs:  # to be told, whether or not the right one was found somewhere else
        raise CannotOpen(f"{where}: its QEMU has the build id {theirs}, and {exe} is another one: {ours}")
    if not main.wants_debug_file():
        return
    name = os.path.basename(main.name)
    if not any(word in name for word in NAMES):
        raise CannotOpen(f"{where}: it is of {main.name}, which is no QEMU")
    raise CannotOpen(f"{where}: no debug information for {main.name} (build id {theirs}). {NO_DEBUG_INFO}")


def _pid_of(program: "drgn.Program") -> Optional[int]:
    try:
        return int(program.main_thread().tid)
    except (LookupError, ValueError):
        return None


