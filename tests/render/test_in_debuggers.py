"""What debuggers load gets by with the standard modules that PyKdump's Python holds."""
import subprocess
import sys

from tests.builders import incident
from vqcheck.render import guest_text, host_text
from vqcheck.snapshot.write import to_json

MISSING = ["json", "html", "dataclasses", "logging", "subprocess", "tempfile", "csv", "ctypes", "platform", "threading",
           "queue", "glob", "configparser", "decimal", "statistics", "shlex", "zipfile", "pickle", "difflib",
           "importlib.metadata", "hashlib", "unittest", "xml", "http", "email", "pdb", "readline"]
"""Modules that PyKdump 3.5.3 lacks."""

PROGRAM = f"""
import sys

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name in {MISSING!r}:
            raise ImportError("PyKdump has no module " + name)

for name in {MISSING!r}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Guard())
sys.path.insert(0, sys.argv[1])

from tests.builders import incident
from vqcheck.render import guest_text, host_text, tables
from vqcheck.snapshot.write import to_json
from vqcheck.target import recording

assert tables._tabulate is None
guest, host = incident()
sys.stdout.write(guest_text.show(guest, True) + host_text.show(host, True) + to_json(guest))
"""


def test_the_text_is_the_same_without_the_modules_that_pykdump_lacks(pytestconfig):
    guest, host = incident()
    done = subprocess.run([sys.executable, "-S", "-c", PROGRAM, str(pytestconfig.rootpath)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout == guest_text.show(guest, True) + host_text.show(host, True) + to_json(guest)
