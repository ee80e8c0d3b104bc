"""What the loader calls: `vqstate` inside a crash without PyKdump."""
import os
import signal
import sys
from typing import Any, List

import _vqcrash

from .command import FACE, crash_help, run
from .loader_target import LoaderTarget


class _Output:
    """crash's output as a Python file, for what prints: warnings, tracebacks."""

    def write(self, text: str) -> int:
        _vqcrash.write(text)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def help_data() -> List[str]:
    """The lines of `help vqstate`, in the order that crash wants: name, summary, synopsis, description."""
    return list(crash_help())


def main(words: List[str]) -> None:
    """Run the command.  Whatever happens, the session goes on."""
    output: Any = _Output()
    sys.stdout = sys.stderr = output
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run(words, LoaderTarget, _vqcrash.write)
    except KeyboardInterrupt:
        _last_words("interrupted")
    except BrokenPipeError:
        pass  # whoever read the output has seen enough
    except OSError as problem:
        _last_words(f"cannot write: {problem.strerror}")


def _last_words(text: str) -> None:
    os.write(2, f"{FACE.name}: {text}\n".encode("utf-8", "replace"))
