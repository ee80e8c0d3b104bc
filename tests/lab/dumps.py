"""`vqcheck vmcore` as a user runs it, and what is in the dumps that it and QEMU write."""
import pathlib
from typing import List, NamedTuple, Tuple

from vqcheck.target.files import elf

from .layouts import Done, vqcheck


class Dumped(NamedTuple):
    """A dump that the command wrote, and what it said."""

    path: pathlib.Path
    done: Done

    def loads(self) -> List[Tuple[int, int, int]]:
        """(physical address, size, offset) of its memory."""
        return [(one.physical, one.in_file, one.offset) for one in elf.program_headers(str(self.path))
                if one.kind == elf.PT_LOAD]

    def notes(self) -> List[Tuple[bytes, int, bytes]]:
        """(name, type, content) of its notes."""
        (where,) = [one for one in elf.program_headers(str(self.path)) if one.kind == elf.PT_NOTE]
        with open(self.path, "rb") as file:
            file.seek(where.offset)
            return list(elf.notes_in(file.read(where.in_file)))


def dump(output: pathlib.Path, *words: object) -> Dumped:
    """`vqcheck vmcore`."""
    return Dumped(output, vqcheck("vmcore", *words, "-o", output))


def refused(*words: object) -> str:
    """The one line with which a command gives up."""
    done = vqcheck(*words)
    assert (done.status, done.out) == (2, ""), done.err
    (line,) = done.err.splitlines()
    assert line.startswith("vqcheck: ") and "internal error" not in line
    return line
