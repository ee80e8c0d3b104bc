"""Stacks that no thread stands in, unwound by gdb itself.

gdb unwinds threads only.  Asked to, this unwinder says of the innermost frame of the selected thread that it was called
from where the registers in question point; the frames beyond are then unwound by gdb as ever, by debug information.
Nothing of the process is written, as `set $sp` would do, which a core refuses besides.
"""
import os
from typing import Any, Callable, List, Mapping, Optional

import gdb
import gdb.unwinder

MAX_FRAMES = 64


class _FrameId:
    """What gdb knows a frame by."""

    def __init__(self, sp: Any, pc: Any) -> None:
        self.sp = sp
        self.pc = pc


class _Detour(gdb.unwinder.Unwinder):  # type: ignore[misc]
    """Leads from the innermost frame to other registers, once."""

    def __init__(self) -> None:
        super().__init__("vqcheck")
        self.registers: Optional[Mapping[str, int]] = None

    def __call__(self, pending_frame: Any) -> Any:
        registers, self.registers = self.registers, None
        if registers is None:
            return None
        word = gdb.lookup_type("unsigned long")
        pointer = word.pointer()
        # Below the stack in question, so that no frame of it can have the same id.
        below = gdb.Value(stack_pointer(registers) - 16).cast(pointer)
        info = pending_frame.create_unwind_info(_FrameId(below, gdb.Value(0).cast(pointer)))
        for name, value in registers.items():
            info.add_saved_register(name, gdb.Value(value).cast(word))
        return info


def stack_pointer(registers: Mapping[str, int]) -> int:
    """Where the stack ends, whatever the architecture calls it."""
    return registers["rsp"] if "rsp" in registers else registers["sp"]


Library = Callable[[int], Optional[str]]
"""The path of the file that was mapped at an address."""


def functions(registers: Mapping[str, int], library: Library) -> List[str]:
    """The functions of the stack below some registers, innermost first.

    Raises gdb.error.
    """
    detour = _DETOUR
    if not _REGISTERED:
        gdb.unwinder.register_unwinder(None, detour, True)
        _REGISTERED.append(True)
    found: List[str] = []
    try:
        detour.registers = registers
        gdb.invalidate_cached_frames()
        frame = gdb.newest_frame()
        while frame.type() == gdb.INLINE_FRAME:  # the detour begins at what they are inlined into
            frame = frame.older()
        frame = frame.older()
        while frame is not None and len(found) < MAX_FRAMES:
            found.append(function(frame, library))
            frame = frame.older()
    finally:
        detour.registers = None
        gdb.invalidate_cached_frames()
    return found


def function(frame: Any, library: Library) -> str:
    """The name of a frame's function; where there is none its address, and the library that it lies in."""
    name = frame.name()
    if name is not None:
        return str(name)
    path = library(frame.pc())
    return f"{frame.pc():#x}" + (f" in {os.path.basename(path)}" if path else "")


_DETOUR = _Detour()
_REGISTERED: List[bool] = []
