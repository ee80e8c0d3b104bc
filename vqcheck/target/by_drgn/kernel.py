"""Opening a Linux kernel with drgn: a dump of its machine's memory, or the kernel that is running.

Needs the drgn package (`pip install vqcheck[drgn]`), 0.0.31 or newer, for that brought modules as objects.
"""
import os
from typing import Callable, Dict, List, NamedTuple, Optional, TypeVar

import drgn

from ..errors import TargetError
from ..files import elf, kernel_files, vmcore_file
from ..files.vmcore_file import ELF, DumpFile
from .debug_info import attach_kernel, load_modules, memory_build_id
from .memory import add_physical_memory
from .target import Caught, DrgnTarget
from .warnings import heard

KCORE = "/proc/kcore"

SAID_OTHERWISE = ("flattened format", "did not match any loaded modules", "no build ID", "failed to load '")
"""Of drgn's warnings: what slows down only, files that were tried and are not what is wanted, its own plugins."""
MAX_WARNINGS = 3

ARCHITECTURES: Dict[int, Dict[bool, "drgn.Architecture"]] = {
    elf.EM_X86_64: {True: drgn.Architecture.X86_64},
    elf.EM_386: {False: drgn.Architecture.I386},
    elf.EM_AARCH64: {True: drgn.Architecture.AARCH64},
    elf.EM_ARM: {False: drgn.Architecture.ARM},
    elf.EM_PPC64: {True: drgn.Architecture.PPC64},
    elf.EM_RISCV: {True: drgn.Architecture.RISCV64, False: drgn.Architecture.RISCV32},
    elf.EM_S390: {True: drgn.Architecture.S390X},
}
"""EM_... and whether it is of 64 bits."""

MACHINES = {"x86_64": drgn.Architecture.X86_64, "aarch64": drgn.Architecture.AARCH64,
            "s390x": drgn.Architecture.S390X, "riscv64": drgn.Architecture.RISCV64}
"""By the name that a kdump's header has; without those whose byte order it does not tell."""

NO_VMCOREINFO = ("it lacks VMCOREINFO, without which nobody knows where the kernel is. QEMU puts it there for a VM "
                 "with -device vmcoreinfo (libvirt: <vmcoreinfo state='on'/>) whose guest has loaded qemu_fw_cfg")


class CannotOpen(TargetError):
    """There is no kernel to be read there; the text says why, and what to do."""


class Memory(NamedTuple):
    """A kernel's memory in drgn, without debug information."""

    program: "drgn.Program"
    source: Optional[str]
    """The path of the dump; None for the running kernel."""
    vmcoreinfo: Dict[str, str]
    found: bool
    """Whether VMCOREINFO was merely found in it: then what is in memory must prove that it is the kernel's."""
    warnings: List[str]
    """What drgn warned of so far."""
    caught: Optional[Caught] = None
    """Set where `source` is not a dump of its memory."""

    def notes(self) -> List[str]:
        """What the user is to know of it, a line each."""
        found: List[str] = []
        if self.caught is None:
            if self.found:
                found.append(f"{self.source} lacks VMCOREINFO in its headers; the kernel's was found in its memory")
            found += _cut_off(self.source)
        return found + [
            f"drgn: {warning}" for warning in dict.fromkeys(self.warnings)
            if not any(known in warning for known in SAID_OTHERWISE)][:MAX_WARNINGS]


Kernel = TypeVar("Kernel")
Finish = Callable[[Memory], Kernel]
"""Makes a target of a kernel's memory.  Raises TargetError for memory that is not the right kernel's."""


def open_dump(vmcore: str, vmlinux: Optional[str] = None, modules: Optional[str] = None) -> DrgnTarget:
    """A kernel in a dump: ELF or kdump, from QEMU, libvirt, kdump or makedumpfile.

    `vmlinux` is looked for in the standard places if None; so is `modules`, a folder with their debug information.
    That of modules may be missing: the target's `notes` say so.  Raises CannotOpen and OSError.
    """
    dump = identify(vmcore)
    if vmlinux is not None:
        check_vmlinux(vmlinux, vmcore, dump)
    return read_dump(vmcore, dump, _platform(dump, vmlinux), lambda memory: with_debug_info(memory, vmlinux, modules))


def open_live(vmlinux: Optional[str] = None, modules: Optional[str] = None) -> DrgnTarget:
    """The kernel that this process runs on, through /proc/kcore.  Raises CannotOpen and OSError."""
    if vmlinux is not None:
        check_vmlinux(vmlinux)
    return read_live(lambda memory: with_debug_info(memory, vmlinux, modules))


def identify(vmcore: str) -> DumpFile:
    """What kind of dump a file is.  Raises CannotOpen and OSError."""
    dump = vmcore_file.identify(vmcore)
    if dump is None:
        raise CannotOpen(f"{vmcore}: neither ELF nor kdump, so no dump of a machine's memory")
    return dump


def read_dump(vmcore: str, dump: DumpFile, platform: "Optional[drgn.Platform]", finish: "Finish[Kernel]") -> Kernel:
    """What `finish` makes of the memory in a dump; `platform` where a kdump does not name it.

    Raises CannotOpen, OSError, and what `finish` raises.
    """
    with heard() as warnings:
        program = _program(vmcore, platform)
        if program is not None:
            return finish(Memory(program, vmcore, _vmcoreinfo(program), False, warnings))
        return _searched(vmcore, dump, platform, finish, warnings)


def read_live(finish: "Finish[Kernel]") -> Kernel:
    """What `finish` makes of the running kernel's memory.  Raises CannotOpen, OSError, and what `finish` raises."""
    with heard() as warnings:
        program = drgn.Program()
        try:
            program.set_kernel()
        except PermissionError:
            why = ("needs root" if os.geteuid() else
                   "is refused to root as well: the kernel is locked down, or this is a container")
            raise CannotOpen(f"the running kernel is read through {KCORE}, which {why}")
        except FileNotFoundError:
            raise CannotOpen(f"there is no {KCORE} here: the kernel was built without CONFIG_PROC_KCORE")
        except Exception as problem:  # drgn's own errors have no class of their own
            raise CannotOpen(f"{KCORE}: {_one_line(problem)}")
        return finish(Memory(program, None, _vmcoreinfo(program), False, warnings))


def _vmcoreinfo(program: "drgn.Program") -> Dict[str, str]:
    return vmcore_file.parse_vmcoreinfo(program["VMCOREINFO"].string_())


def check_vmlinux(vmlinux: str, vmcore: Optional[str] = None, dump: Optional[DumpFile] = None) -> None:
    header = elf.header_of(vmlinux)
    if header is None:
        raise CannotOpen(f"{vmlinux}: not an ELF file; wanted is vmlinux, the kernel with debug information, and not "
                         "the compressed image that boots (vmlinuz, bzImage, Image)")
    if dump is not None and dump.elf_machine not in (None, header.machine):
        raise CannotOpen(f"{vmlinux} is for another architecture (ELF machine {header.machine}) than {vmcore} "
                         f"({dump.elf_machine})")
    if not elf.has_debug_info(vmlinux):
        raise CannotOpen(f"{vmlinux}: it has no debug information; a kernel with it comes with "
                         f"{kernel_files.package(None)}")


def _program(vmcore: str, platform: "Optional[drgn.Platform]",
             vmcoreinfo: Optional[bytes] = None) -> "Optional[drgn.Program]":
    """The dump in drgn, without debug information; None where it does not say where the kernel is."""
    program = drgn.Program(platform, vmcoreinfo=vmcoreinfo)
    try:
        program.set_core_dump(vmcore)
    except OSError:
        raise
    except Exception as problem:  # libkdumpfile's errors have no class of their own
        if "vmcoreinfo" in str(problem):
            return None
        raise CannotOpen(f"{vmcore}: {_one_line(problem)}")
    if not program.flags & drgn.ProgramFlags.IS_LINUX_KERNEL:
        if _is_process(program):
            raise CannotOpen(f"{vmcore}: the core of a process, and not a dump of a machine's memory. A core of QEMU "
                             "is for `vqcheck inspect`, and for `vq-host` in gdb; `vqcheck vmcore` makes a dump of it")
        return None
    _check_pages(program, vmcore)
    return program


def _check_pages(program: "drgn.Program", vmcore: str) -> None:
    """Refuse a kdump in other pages than the kernel's, where libkdumpfile looks in the wrong places.

    Source: QEMU target/arm/arch_dump.c (cpu_get_dump_info(): 64 KiB, the largest that the architecture has).
    """
    dump = vmcore_file.identify(vmcore)
    pages = vmcore_file.parse_vmcoreinfo(program["VMCOREINFO"].string_()).get("PAGESIZE")
    if dump and dump.block_size and pages not in (None, str(dump.block_size)):
        raise CannotOpen(f"{vmcore}: a kdump in pages of {dump.block_size} bytes of a kernel whose pages have {pages}, "
                         "as QEMU writes it for aarch64; drgn reads such a machine from an ELF dump (without -z)")


def _is_process(program: "drgn.Program") -> bool:
    """Whether it is a core with what only a process has: the auxiliary vector that names its files."""
    try:
        return next(iter(program.loaded_modules()), None) is not None
    except Exception:  # drgn says ValueError or Exception
        return False


def _platform(dump: DumpFile, vmlinux: Optional[str]) -> "Optional[drgn.Platform]":
    """The architecture, where drgn needs to be told: libkdumpfile does not find it in QEMU's kdumps."""
    if dump.kind == ELF:
        return None
    header = elf.header_of(vmlinux) if vmlinux is not None else None
    if header is None:
        known = MACHINES.get(dump.machine or "")
        return None if known is None else drgn.Platform(known)
    architecture = ARCHITECTURES.get(header.machine, {}).get(header.wide)
    if architecture is None:
        raise CannotOpen(f"{vmlinux}: drgn does not know its architecture (ELF machine {header.machine})")
    flags = drgn.PlatformFlags(0)
    if header.wide:
        flags |= drgn.PlatformFlags.IS_64_BIT
    if header.order == "<":
        flags |= drgn.PlatformFlags.IS_LITTLE_ENDIAN
    return drgn.Platform(architecture, flags)


def _searched(vmcore: str, dump: DumpFile, platform: "Optional[drgn.Platform]", finish: "Finish[Kernel]",
              warnings: List[str]) -> Kernel:
    """A dump whose headers lack VMCOREINFO, with one that was found in its memory and proves right."""
    if dump.kind != ELF:
        raise CannotOpen(f"{vmcore}: {NO_VMCOREINFO}; or dump as ELF (without -z), where it can be searched for")
    header = elf.header_of(vmcore)
    refused: List[str] = []
    for text in vmcore_file.search_vmcoreinfo(vmcore, header.order if header else "<"):
        program = _program(vmcore, platform, text)
        if program is None:
            continue
        add_physical_memory(program, vmcore)
        try:
            return finish(Memory(program, vmcore, _vmcoreinfo(program), True, warnings))
        except TargetError as problem:
            refused.append(str(problem))
    if refused:
        raise CannotOpen(f"{refused[0]} (by a VMCOREINFO found in its memory: its headers have none)")
    raise CannotOpen(f"{vmcore}: {NO_VMCOREINFO}. None was found in its memory either")


def with_debug_info(memory: Memory, vmlinux: Optional[str], modules: Optional[str]) -> DrgnTarget:
    """The target, with its debug information.  Raises CannotOpen and OSError."""
    where, program = memory.source or "the running kernel", memory.program
    release, build_id = memory.vmcoreinfo.get("OSRELEASE"), memory.vmcoreinfo.get("BUILD-ID")
    attached = attach_kernel(program, vmlinux, release, build_id)
    if attached.problem is not None:
        raise CannotOpen(f"{where}: {attached.problem}")
    # Until Linux 5.9 VMCOREINFO had no BUILD-ID (0935288c6e00 "kdump: append kernel build-id string to VMCOREINFO").
    if (memory.found or build_id is None) and attached.build_id is not None:
        seen = memory_build_id(program)
        if seen != attached.build_id:
            raise CannotOpen(f"{where}: {attached.path} is not its kernel: the file's build id is {attached.build_id}, "
                             f"and in memory, where that kernel has it, is {seen or 'none'}")
    target = DrgnTarget(program, memory.source, attached.build_id, memory.caught)
    missing = load_modules(program, modules, release or "", attached.path or "")
    target.notes += memory.notes() + missing
    return target


def _cut_off(vmcore: Optional[str]) -> List[str]:
    """A note on a dump that is shorter than it should be: of a full disk, or a copy under way."""
    if vmcore is None:
        return []
    whole, there = elf.extent(vmcore), os.path.getsize(vmcore)
    if whole is None or there >= whole:
        return []
    return [f"{vmcore} is cut off: it has {there} bytes of {whole}"]


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__
