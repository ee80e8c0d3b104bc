"""A program for PyKdump's double: times the walk against a per-field reader.  There is no crash behind the double.

    epython in_double.py
"""
import bisect
import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.realpath(sys.argv[0]))))

import crash
from pykdump import API  # noqa: F401  # takes its own options out of sys.argv

from benchmarks.measure import compare, count
from benchmarks.per_field import Types, by_reading, disks
from crash_ext import pykdump_types
from crash_ext.pykdump_target import PykdumpTarget

MEMORY = sorted(crash.world["memory"].items())
STARTS = [start for start, _ in MEMORY]


def readmem(address, size, memory=crash.KVADDR):
    """The double's own looks through all memory at every read, which is not what is to be measured."""
    start, raw = MEMORY[bisect.bisect_right(STARTS, address) - 1]
    if memory == crash.UVADDR or size <= 0 or not start <= address <= address + size <= start + len(raw):
        raise crash.error(f"readmem error at addr {address:#x}, reading {size} bytes")
    return raw[address - start:address - start + size]


NAMES = {address: name for name, address in crash.world["symbols"].items()}

crash.readmem, crash.addr2sym = readmem, NAMES.get
TYPES = Types(pykdump_types.member, pykdump_types.size, crash.sym2addr, crash.addr2sym)

compare(PykdumpTarget, {"readmem-per-field": lambda: disks(by_reading(TYPES, readmem))},
        lambda: count(by_reading(TYPES, readmem)), sys.stdout.write)
sys.stdout.flush()
