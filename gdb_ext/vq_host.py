"""The file to source in gdb: `source …/gdb_ext/vq_host.py`, by hand or in ~/.gdbinit."""
import os
import sys

# Last on the path: nothing of ours may shadow what gdb's own Python brings.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if _ROOT not in sys.path:
    sys.path.append(_ROOT)

from gdb_ext.command import register  # noqa: E402

register()
