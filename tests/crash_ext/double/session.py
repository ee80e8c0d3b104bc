"""A double of a crash session with PyKdump:  session.py COMMAND...

Each COMMAND is a line at crash's prompt, `epython FILE WORDS`, `mod -s NAME FILE` or what was registered; the output
is crash's.  One interpreter, one `__main__` and one sys.modules serve all of them.  DOUBLE_WORLD names the guest.
"""
import io
import os
import re
import sys
import traceback
import types
from typing import List, Tuple

import guard

guard.install()
sys.path[:] = [path for path in sys.path if path != os.environ.get("DOUBLE_HIDE")]

SWALLOWED = ("--debug", "--timeout", "--maxel", "--usens", "--ofile")
SWALLOWED_ALONE = ("--experimental", "--reload", "--dumpcache")
MAIN = types.ModuleType("__main__")
MAIN.__dict__["__file__"] = "PyKdumpInit"  # it stays that of another program
SEARCH = [".", *filter(None, os.environ.get("PYKDUMPPATH", "").split(":"))]


def _stripped(words: List[str]) -> List[str]:
    """Without the options that pykdump.API takes for itself."""
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in SWALLOWED:
            skip = True
        elif word not in SWALLOWED_ALONE and word.split("=")[0] not in SWALLOWED:
            kept.append(word)
    return kept


def _found(name: str) -> str:
    for folder in [""] if name.startswith("/") else SEARCH:
        for path in (os.path.join(folder, name), os.path.join(folder, name + ".py")):
            if os.path.isfile(path):
                return path
    return ""


def _epython(name: str, words: List[str]) -> None:
    path = _found(name)
    if not path:
        print(f" Cannot find the program <{name}>")
        return
    # A new wrapper a command; the old one is leaked, and what it still held is lost.
    sys.stdout = sys.stderr = io.TextIOWrapper(os.fdopen(os.dup(1), "wb"), encoding="utf-8")
    before = list(sys.path)
    sys.path.insert(0, os.path.dirname(path))
    sys.argv = [path, *_stripped(words)]
    try:
        with open(path) as file:
            exec(compile(file.read(), path, "exec"), MAIN.__dict__)
    except SystemExit as leaving:  # its text is lost
        if isinstance(leaving.code, int) and leaving.code > 0:
            os.write(1, f" -- sys.exit({leaving.code}) --\n".encode())
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    sys.path[:] = before
    os.write(1, b"\n ** Execution took   0.00s (real)   0.00s (CPU)\n")
    sys.stdout.buffer.raw.close()


def _split(line: str) -> Tuple[str, List[str]]:
    """As crash's parse_line: double quotes group words, single ones do not."""
    words = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)]
    return words[0], words[1:]


def main() -> None:
    import crash  # noqa: PLC0415
    for line in sys.argv[1:]:
        name, words = _split(line)
        if name in crash.aliases:
            name, words = _split(" ".join([crash.aliases[name], *words]))
        if name == "epython":
            _epython(words[0], words[1:])
        elif name in crash.programs:
            _epython(name, words)
        elif name == "help":
            os.write(1, "\n".join(crash.programs[words[0]]).encode())
        else:
            os.write(1, crash.exec_crash_command(line).encode())


sys.modules["__main__"] = MAIN
main()
