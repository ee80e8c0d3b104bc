"""What takes the place of `vqstate` in a crash with our loader: times it against per-field readers."""
from typing import List, Set

import _vqcrash

from benchmarks.measure import compare, count, estimate, report
from benchmarks.per_field import Debugger, Types, by_reading, disks
from crash_ext import loader_types
from crash_ext.loader_target import LoaderTarget

SAMPLE = 2000
"""Expressions that gdb is given."""

CTYPES = {1: "char", 2: "short", 4: "int", 8: "long"}

TYPES = Types(loader_types.member, loader_types.size, _vqcrash.symbol, _vqcrash.symbol_name)


def help_data() -> List[str]:
    """What the loader asks for first."""
    return ["vqstate", "a benchmark", "", ""]


def main(_words: List[str]) -> None:
    """Run it."""
    compare(LoaderTarget, {"readmem-per-field": lambda: disks(_by_readmem())},
            lambda: count(_by_readmem()), _vqcrash.write)
    total = estimate(_by_readmem(), _by_gdb(), SAMPLE)
    report(_vqcrash.write, "gdb-expressions", total.seconds, reads=total.asked, sampled=total.sampled)


def _by_readmem() -> Debugger:
    """Every value by a read of its own."""
    return by_reading(TYPES, lambda address, size: _vqcrash.readmem(address, size, False))


def _by_gdb() -> Debugger:
    """Every value by an expression, as `p` does.

    A convenience variable a struct keeps its type: naming a struct takes gdb 30 ms each time.
    """
    kinds: Set[str] = set()

    def evaluate(expression: str) -> int:
        return int(_vqcrash.gdb(f'printf "%lu", (unsigned long)({expression})'))

    def ask(kind: str, address: int, path: str) -> int:
        if kind not in kinds:
            kinds.add(kind)
            _vqcrash.gdb(f"set var $of_{kind} = (struct {kind} *)0")
        return evaluate(f"((typeof($of_{kind})){address:#x})->{path}")

    def number(address: int, size: int) -> int:
        return evaluate(f"*(unsigned {CTYPES[size]} *){address:#x}")

    def string(address: int) -> str:
        return str(_vqcrash.gdb(f'printf "%s", (char *){address:#x}'))

    return _by_readmem()._replace(ask=ask, number=number, string=string)
