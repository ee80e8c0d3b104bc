"""What the commands of crash and gdb share: options, files, and errors as one clear line.

A command gathers a snapshot through a target and shows it, writes it, or records how it was gathered.  It never ends
the debugger's session: whatever goes wrong is a message.
"""
import argparse
import textwrap
import traceback
from typing import Any, Callable, List, NamedTuple, NoReturn, Optional, Sequence

from .snapshot.model import Snapshot
from .snapshot.write import to_json, write_file
from .target import vqcap
from .target.errors import TargetError
from .target.layouts.layout import read_file
from .target.layouts.layout_target import Use
from .target.recording import Recorder
from .target.target import Target

OK = 0
FAILED = 1
USAGE = 2


class Face(NamedTuple):
    """How one debugger's command looks to its user."""

    name: str
    """The command: `vqstate`, `vq-host`."""
    side: str
    metavar: str
    summary: str
    examples: str
    take: Callable[[Target, Optional[str]], Snapshot]
    """Gathers the snapshot of one device, or of all when the name is None.  Raises TargetError."""
    show: Callable[[Snapshot, bool], str]
    """The snapshot as text; True for all there is to say of one device."""
    by_layout: Optional[Callable[[Use, Target], Target]] = None
    """The target with a layout file for what its debug information lacks.  Raises TargetError."""


class _Stop(Exception):
    """The parser has said all there is to say."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Parser(argparse.ArgumentParser):
    """An argument parser that writes through the debugger's output and never exits the process."""

    write: Callable[[str], Any]

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:
            self.write(message)

    def exit(self, status: int = 0, message: Optional[str] = None) -> NoReturn:
        self._print_message(message or "")
        raise _Stop(status)


def parser(face: Face, write: Callable[[str], Any]) -> argparse.ArgumentParser:
    """The command's options."""
    options = _Parser(prog=face.name, description=textwrap.fill(face.summary, 79), epilog="examples:\n" + face.examples,
                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.write = write
    add_options(options, face)
    options.add_argument("--traceback", action="store_true", help="for a bug report: show where an error came from")
    return options


def add_options(options: argparse.ArgumentParser, face: Face) -> None:
    """Declare what every way into a target offers."""
    if face.by_layout is not None:
        options.add_argument("--layout", metavar="FILE",
                             help="take what debug information is missing from what `vqcheck layout` saved")
        options.add_argument("--force", action="store_true", help="use the layout though it is of another build")
    options.add_argument("device", nargs="?", metavar=face.metavar, help="show this one in full; all in short if none")
    options.add_argument("-o", "--output", metavar="FILE", help="write the snapshot as JSON for `vqcheck merge`")
    options.add_argument("--json", action="store_true", help="print the snapshot as JSON instead of tables")
    options.add_argument("--capture", metavar="FILE.vqcap",
                         help="record what was read, so that `vqcheck replay` can run it again anywhere")


def run(face: Face, words: Sequence[str], open_target: Callable[[], Target], write: Callable[[str], Any],
        complain: Optional[Callable[[str], Any]] = None) -> int:
    """Run the command; returns its exit status.  Errors go to `complain`, or where everything goes.  Never raises."""
    complain = complain or write
    try:
        options = parser(face, write).parse_args(list(words))
    except _Stop as stop:
        return USAGE if stop.status else OK
    try:
        gather(face, options, with_layout(face, options, open_target()), write)
        return OK
    except Exception as problem:  # whatever it is, the debugger's session goes on
        complain(f"{face.name}: {in_words(problem)}\n")
        if options.traceback:
            write(traceback.format_exc())
        return FAILED


def with_layout(face: Face, options: argparse.Namespace, target: Target) -> Target:
    """The target with the layout that the options name, if they name one.  Raises TargetError and OSError."""
    if face.by_layout is None or not options.layout:
        return target
    return face.by_layout(Use(read_file(options.layout), options.force), target)


class Taken(NamedTuple):
    """What was read, for which the target is needed no more."""

    recorder: Recorder
    snapshot: Snapshot


def gather(face: Face, options: argparse.Namespace, target: Target, write: Callable[[str], Any]) -> None:
    """Take the snapshot that the options ask for; write or show it.  Raises TargetError and OSError."""
    put(face, options, read(face, options, target), write)


def read(face: Face, options: argparse.Namespace, target: Target) -> Taken:
    """Take the snapshot that the options ask for.  Raises TargetError."""
    asked = {"side": face.side}
    if options.device:
        asked["device"] = options.device
    recorder = Recorder(target, asked)
    return Taken(recorder, face.take(recorder, options.device))


def put(face: Face, options: argparse.Namespace, taken: Taken, write: Callable[[str], Any]) -> None:
    """Write or show a snapshot, as the options have it.  Raises OSError."""
    _write_files(options, taken.recorder, taken.snapshot, _say_nothing if options.json else write)
    if options.json:
        write(to_json(taken.snapshot))
    elif not (options.output or options.capture):
        write(face.show(taken.snapshot, options.device is not None))


def in_words(problem: Exception) -> str:
    """What went wrong, as the one line that a user reads."""
    if isinstance(problem, OSError):
        return f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem.strerror or problem)
    if isinstance(problem, TargetError):
        return str(problem)
    return f"internal error: {type(problem).__name__}: {problem} (run it with --traceback and report that)"


def _say_nothing(text: str) -> None:
    """JSON must be all that is printed."""


def _write_files(options: argparse.Namespace, recorder: Recorder, snapshot: Snapshot,
                 write: Callable[[str], Any]) -> None:
    wanted: List[Any] = []
    if options.output:
        wanted.append((options.output, to_json(snapshot).encode("ascii"), "snapshot"))
    if options.capture:
        wanted.append((options.capture, vqcap.pack(recorder.bundle), "recording"))
    for path, content, what in wanted:
        write_file(path, content)
        queues = sum(len(device.queues) for device in snapshot.devices)
        write(f"{what} of {len(snapshot.devices)} device(s), {queues} queue(s) written to {path}\n")
