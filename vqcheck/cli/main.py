"""`vqcheck VERB …`: options, errors as one clear line, exit statuses."""
import argparse
import os
import sys
import traceback
from typing import Dict, List, NoReturn, Optional, Sequence, Tuple

from .. import __version__
from ..render.escape import shortened
from ..snapshot.read import BadSnapshot
from ..target.errors import TargetError
from . import demo, merge, paths, replay, run_crash, run_gdb, schema, show, validate
from .verb import BROKEN_PIPE, FAILED, INTERRUPTED, OK, Failed, Verb, put

VERBS: Tuple[Verb, ...] = (merge, show, validate, schema, replay, demo, paths, run_gdb, run_crash)

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

HELP_WORDS = ("-h", "--help")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise Failed(f"{message} (see `{self.prog} --help`)")


def main(words: Optional[Sequence[str]] = None) -> int:
    """Run the command; returns its exit status."""
    words = list(sys.argv[1:] if words is None else words)
    _tolerate_any_text()
    want_traceback = "--traceback" in words
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return BROKEN_PIPE
    except Exception as problem:  # a user reads one line, whatever went wrong
        if want_traceback:
            traceback.print_exc()
        _complain(_in_words(problem))
        return FAILED


def _run(words: List[str]) -> int:
    if words and words[0] in PASSED_ON:
        verb = PASSED_ON[words[0]]
        if words[1:2] and words[1] in HELP_WORDS:
            put(_parser().format_verb_help(verb))
            return OK
        return verb.run(argparse.Namespace(arguments=words[2:] if words[1:2] == ["--"] else words[1:]))
    try:
        options = _parser().parse_args(words)
    except SystemExit as done:  # --help and --version
        return int(done.code or OK)
    verb = options.verb
    return verb.run(options)


class _Commands(Parser):
    """The parser of all verbs."""

    def format_verb_help(self, verb: Verb) -> str:
        """The help of one verb."""
        return _add_verb(None, verb).format_help()


def _parser() -> _Commands:
    parser = _Commands(prog="vqcheck", description=SUMMARY, epilog=EPILOG, allow_abbrev=False,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"vqcheck {__version__}")
    return parser
