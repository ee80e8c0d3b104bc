"""What the loader calls: `vqstate` inside a crash without PyKdump."""
import signal
import sys
from typing import Any, List

import _vqcrash

from .command import crash_help, run
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
    """Run the command."""
    output: Any = _Output()
    sys.stdout = sys.stderr = output
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(words, LoaderTarget, _vqcrash.write)
