"""`vqcheck VERB …`: options, errors as one clear line, exit statuses."""
import argparse
import io
import os
import sys
import traceback
from typing import Dict, NoReturn, Optional, Sequence, Tuple

from .. import __version__
from ..render.escape import shortened
from ..snapshot.read import BadSnapshot
from ..target.errors import TargetError
from . import (
    demo,
    diff,
    explain,
    guest,
    host,
    layout,
    merge,
    paths,
    replay,
    rules,
    run_crash,
    run_gdb,
    schema,
    show,
    validate,
)
from .verb import BROKEN_PIPE, FAILED, INTERRUPTED, OK, Failed, Verb

VERBS: Tuple[Verb, ...] = (merge, diff, rules, explain, guest, host, layout, show, validate, schema, replay, demo,
                           paths, run_gdb, run_crash)

PASSED_ON: Dict[str, Verb] = {run_gdb.NAME: run_gdb, run_crash.NAME: run_crash}
"""Verbs whose arguments are another program's, to be handed over untouched."""

SUMMARY = "Tell who lost which event when a virtual machine's virtio I/O hangs."

EPILOG = """\
from a hang to a verdict:
  crash> vqstate vdb -o guest.json             in crash, on a dump of the guest's memory
  (gdb) vq-host virtio-disk1 -o host.json      in gdb, on the QEMU process or its core
  $ vqcheck merge guest.json host.json         says which side lost which event

exit status: 0 all is well, 1 a fault was found, 2 it can't be judged or the input is bad
"""

LONGEST = 1000
"""Characters of an error at most."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise Failed(f"{message} (see `{self.prog} --help`)")


def main(words: Optional[Sequence[str]] = None) -> int:
    """Run the command; returns its exit status.  Never raises."""
    words = list(sys.argv[1:] if words is None else words)
    _never_fail_on_a_character()
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # as in `vqcheck show … | head`
        _forget_output()
        return BROKEN_PIPE
    except Exception as problem:  # whatever went wrong, a user reads one line
        if "--traceback" in words:
            traceback.print_exc()
        sys.stderr.write(f"vqcheck: {shortened(_in_words(problem), LONGEST)}\n")
        return FAILED


def _run(words: Sequence[str]) -> int:
    if words and words[0] in PASSED_ON and words[1:2] not in (["-h"], ["--help"]):
        rest = words[2:] if words[1:2] == ["--"] else words[1:]
        return PASSED_ON[words[0]].run(argparse.Namespace(arguments=list(rest)))
    try:
        options = parser().parse_args(words)
    except SystemExit as done:  # --help and --version have printed what they are for
        return int(done.code or OK)
    verb: Verb = options.verb
    return verb.run(options)


def parser() -> argparse.ArgumentParser:
    """The options of the command and all its verbs."""
    whole = _Parser(prog="vqcheck", description=SUMMARY, epilog=EPILOG, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    whole.add_argument("--version", action="version", version=f"vqcheck {__version__}")
    _add_traceback(whole)
    verbs = whole.add_subparsers(title="verbs", metavar="VERB", required=True, parser_class=_Parser)
    for verb in VERBS:
        one = verbs.add_parser(verb.NAME, help=verb.SUMMARY, description=verb.SUMMARY, allow_abbrev=False,
                               epilog="examples:\n" + verb.EXAMPLES,
                               formatter_class=argparse.RawDescriptionHelpFormatter)
        one.set_defaults(verb=verb)
        verb.add_arguments(one)
        if verb.NAME not in PASSED_ON:
            _add_traceback(one)
    return whole


def _add_traceback(to: argparse.ArgumentParser) -> None:
    to.add_argument("--traceback", action="store_true", help="for a bug report: show where an error came from")


def _in_words(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    if isinstance(problem, (BadSnapshot, Failed, TargetError, OSError)):
        return str(problem)
    if isinstance(problem, MemoryError):
        return "needs more memory than there is"
    return f"internal error: {type(problem).__name__}: {problem} (run it with --traceback and report that)"


def _never_fail_on_a_character() -> None:
    """A terminal that lacks a character gets it spelled out instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Nobody reads it any more; without this Python complains when it closes stdout."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
