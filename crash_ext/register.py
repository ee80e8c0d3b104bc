"""Makes `vqstate` a command of a crash that has PyKdump.  In ~/.crashrc, after mpykdump.so is loaded:

    epython /path/to/crash_ext/register.py

With this folder in PYKDUMPPATH, crash's own `help vqstate` knows it too; without, it is an alias.
"""
import os
import sys

# ruff: noqa: PLC0415  # the packages can be imported only once their folder is on the path


def main() -> None:
    """Register the command, or give it an alias."""
    here = os.path.dirname(os.path.realpath(sys.argv[0]))
    root = os.path.dirname(here)
    if root not in sys.path:
        sys.path.append(root)

    import crash
    from pykdump import API

    from crash_ext.command import crash_help

    known = [os.path.realpath(folder) for folder in os.environ.get("PYKDUMPPATH", "").split(":") if folder]
    if here in known:
        crash.register_epython_prog(*crash_help())
    else:
        API.exec_crash_command(f"alias vqstate epython {os.path.join(here, 'vqstate.py')}")


if __name__ == "__main__":
    main()
