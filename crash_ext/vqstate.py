"""`vqstate` under PyKdump: `crash> epython /path/to/vqstate.py vdb`; `register.py` makes a command of it."""
import os
import sys

# ruff: noqa: PLC0415  # the packages can be imported only once their folder is on the path


def main() -> None:
    """Run the command."""
    # __file__ is the path of another program here.
    root = os.path.dirname(os.path.dirname(os.path.realpath(sys.argv[0])))
    if root not in sys.path:
        sys.path.append(root)

    from pykdump import API  # noqa: F401  # first of all, for it takes its own options out of sys.argv

    from crash_ext.command import run
    from crash_ext.pykdump_target import PykdumpTarget

    run(sys.argv[1:], PykdumpTarget, _write)


def _write(text: str) -> None:
    """Print at once: PyKdump replaces sys.stdout before the next command, and does not flush it."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
