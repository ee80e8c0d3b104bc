"""What takes the place of `vqstate` in a crash with our loader: times it against per-field readers."""
from typing import Dict, List, Tuple

import _vqcrash

from benchmarks.measure import compare, resident
from benchmarks.per_field import Debugger, disks
from crash_ext import loader_types
from crash_ext.loader_target import LoaderTarget


def help_data() -> List[str]:
    """What the loader asks for first."""
    return ["vqstate", "a benchmark", "", ""]


def main(words: List[str]) -> None:
    """Run it."""
    _vqcrash.write(f"MEMORY resident={resident()} end\n")
    readers = {"gdb-expressions": lambda: disks(_by_gdb()), "readmem-per-field": lambda: disks(_by_readmem())}
    compare(LoaderTarget, {name: readers[name] for name in words}, _vqcrash.write)
    _vqcrash.write(f"MEMORY resident={resident()} end\n")


def _by_gdb() -> Debugger:
    """Every value by an expression."""
    def evaluate(expression: str) -> int:
        return int(_vqcrash.gdb(f'printf "%lu", (unsigned long)({expression})'))

    def ask(kind: str, address: int, path: str) -> int:
        return evaluate(f"((struct {kind} *){address:#x})->{path}")

    def number(address: int, size: int) -> int:
        return evaluate(f"*(unsigned {CTYPES[size]} *){address:#x}")

    def string(address: int) -> str:
        return str(_vqcrash.gdb(f'printf "%s", (char *){address:#x}'))
    return Debugger(ask, _offset, _size, _vqcrash.symbol, _vqcrash.symbol_name, number, string)


CTYPES = {1: "char", 2: "short", 4: "int", 8: "long"}


def _by_readmem() -> Debugger:
    """Every value by a read of its own, with what was asked of types kept."""
    known: Dict[Tuple[str, str], Tuple[int, int]] = {}

    def ask(kind: str, address: int, path: str) -> int:
        if (kind, path) not in known:
            known[kind, path] = loader_types.member(f"struct {kind}", path)
        offset, size = known[kind, path]
        return int.from_bytes(_vqcrash.readmem(address + offset, size, False), "little")

    def number(address: int, size: int) -> int:
        return int.from_bytes(_vqcrash.readmem(address, size, False), "little")

    def string(address: int) -> str:
        return str(_vqcrash.readmem(address, 32, False).split(b"\0")[0].decode())
    return Debugger(ask, _offset, _size, _vqcrash.symbol, _vqcrash.symbol_name, number, string)


def _offset(kind: str, path: str) -> int:
    return loader_types.member(f"struct {kind}", path).offset


def _size(kind: str) -> int:
    return loader_types.size(f"struct {kind}")
