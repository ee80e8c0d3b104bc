"""The list of what a layout of QEMU must hold, held against everything that walkers are seen to ask."""
import ast
import importlib
import pathlib
import re
from typing import Any, Iterator, List, Sequence, Set

import pytest

import vqcheck.host
from tests import recordings
from vqcheck.check import stacks
from vqcheck.host import coroutine, devices, loops, needs
from vqcheck.host.block import carriers
from vqcheck.host.models import blk
from vqcheck.target import vqcap
from vqcheck.target.layouts import process_layout

ROOT = pathlib.Path(vqcheck.host.__file__).parent
WITHOUT_LAYOUTS = ("needs.py", "registers.py")
"""The registers' types are not in a layout: whoever writes a dump has QEMU's debug information."""
SOURCES = sorted(path for path in ROOT.rglob("*.py")
                 if path.name not in WITHOUT_LAYOUTS and path.parent.name != "by_qmp")
RECORDED = sorted(path.relative_to(recordings.DATA) for path in recordings.DATA.rglob("*.vqcap"))

A_TYPE = re.compile(r"(struct|union|enum) \w+|[A-Z]\w+")
A_SYMBOL = re.compile(r"[A-Za-z_]\w*")

TYPES_AT = {"View": 1, "follow": 0, "embedded": 0, "chain": 2, "size_of": 0, "type_size": 0, "member_of": 0,
            "container_of": 2}
"""Functions that take a type's name, by which of their arguments it is."""
SYMBOLS_AT = {"target.symbol": 0, "target.address_of": 0, "static_pointer": 1}
"""View.address_of() takes members."""


class Source:
    """A walker's source, and what it names."""

    def __init__(self, path: pathlib.Path) -> None:
        self._tree = ast.parse(path.read_text())
        inside = path.relative_to(ROOT.parent.parent).with_suffix("").parts
        self._module = importlib.import_module(".".join(inside).replace(".__init__", ""))

    def strings(self) -> Set[str]:
        """Every literal of it."""
        return {node.value for node in ast.walk(self._tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)}

    def types(self) -> Set[str]:
        """The types that it names: all that look like a struct, and typedefs where a function takes a type."""
        structs = {one for one in self.strings() if re.fullmatch(r"(struct|union|enum) \w+", one)}
        return structs | {name for call in self._calls() for function, at in TYPES_AT.items()
                          if ast.unparse(call.func).split(".")[-1] == function
                          for name in self._words(call, at)}

    def symbols(self) -> Set[str]:
        """The variables that it names."""
        found = {name for call in self._calls() for function, at in SYMBOLS_AT.items()
                 if re.sub(r"^(self\.)?_?", "", ast.unparse(call.func)) == function for name in self._words(call, at)}
        return found | {name + "_lookup" for call in self._calls()
                        if ast.unparse(call.func) == "enum_name" for name in self._words(call, 1)}

    def thread_locals(self) -> Set[str]:
        """The thread-local variables that it names: Absences.take() is handed the question and its words."""
        return {name for call in self._calls() for at, word in enumerate(call.args)
                if ast.unparse(word).endswith("target.tls_offset") for name in self._words(call, at + 1)}

    def _calls(self) -> List[ast.Call]:
        return [node for node in ast.walk(self._tree) if isinstance(node, ast.Call)]

    def _words(self, call: ast.Call, at: int) -> Iterator[str]:
        """What an argument is: a literal, a constant of the module, or each word that a loop goes through."""
        word = call.args[at] if at < len(call.args) else None
        if isinstance(word, ast.Constant) and isinstance(word.value, str):
            yield word.value
        elif isinstance(word, ast.Name):
            known = getattr(self._module, word.id, None)
            if isinstance(known, str):
                yield known
            yield from self._in_loops(word.id)

    def _in_loops(self, name: str) -> Iterator[str]:
        for loop in (node for node in ast.walk(self._tree) if isinstance(node, ast.For)):
            targets: Sequence[Any] = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
            places = [at for at, one in enumerate(targets) if isinstance(one, ast.Name) and one.id == name]
            for entry in loop.iter.elts if places and isinstance(loop.iter, ast.Tuple) else []:
                one = entry.elts[places[0]] if isinstance(entry, ast.Tuple) else entry
                if isinstance(one, ast.Constant):
                    yield str(one.value)


def every(what):
    return set().union(*(getattr(Source(path), what)() for path in SOURCES))


@pytest.mark.parametrize("path", RECORDED, ids=str)
def test_every_question_of_a_recording_is_covered(path):
    bundle = vqcap.unpack((recordings.DATA / path).read_bytes())
    if bundle.asked["side"] != "host":
        return
    types = set(bundle.sizes) | {type_name for type_name, _ in bundle.members}
    assert types - set(needs.TYPES) == set()
    assert set(bundle.symbols) - set(needs.SYMBOLS) == set()
    assert set(bundle.tls) - set(needs.TLS) == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_that_a_walker_names_is_covered(path):
    source = Source(path)
    assert source.types() - set(needs.TYPES) == set()
    assert source.symbols() - set(needs.SYMBOLS) == set()
    assert source.thread_locals() - set(needs.TLS) == set()


def test_nothing_is_listed_that_no_walker_names():
    strings = every("strings")
    assert set(needs.TYPES) - strings == set()
    named_by_address = {"dma_aiocb_info"}  # what a pointer leads to, which is compared by its name
    assert named_by_address <= strings
    assert set(needs.SYMBOLS) - every("symbols") - named_by_address == {process_layout.ENTRY}
    assert set(needs.TLS) == every("thread_locals")


def test_nothing_is_listed_twice():
    for listed, form in ((needs.TYPES, A_TYPE), (needs.SYMBOLS, A_SYMBOL), (needs.TLS, A_SYMBOL)):
        assert len(listed) == len(set(listed))
        assert all(form.fullmatch(one) for one in listed)


@pytest.mark.parametrize("name", [devices.HANDLER, carriers.COMPLETE_BH, *blk.CALLBACKS, "blk_aio_read_entry",
                                  "blk_aio_write_entry", "blk_aio_pdiscard_entry", "thread_pool_co_cb",
                                  "virtio_blk_dma_restart_bh", "virtio_net_tx_bh", "notify_guest_bh"])
def test_functions_that_pointers_lead_to_are_named(name):
    assert needs.NAMES.search(name)


# Not of the C library, of glib or of liburing, nor of the kernel: a layout names QEMU's own functions.
FOREIGN = re.compile(r"_*(e?ppoll|poll|epoll|GI|g_|io_uring|sys|pthread|lll|futex|clone|start_thread|libc|sigsetjmp)|"
                     r"\?\?|io_uring|virtio-")


@pytest.mark.parametrize("name", sorted(one for one in (
    stacks.WAITS | stacks.LOOPS | stacks.LOCKS | stacks.NOTIFY_FUNCTIONS | stacks.DELIVERY | stacks.KICKING
    | loops.MAIN_FUNCTIONS | {*coroutine.SWITCH, coroutine.BOTTOM}) if not FOREIGN.match(one)))
def test_functions_that_verdicts_rest_on_are_named_in_stacks(name):
    assert needs.STACKS.search(name)


@pytest.mark.parametrize("name", ["g_malloc0", "object_property_add", "visit_type_str", "json_parser", ""])
def test_not_every_function_is_named(name):
    assert not needs.STACKS.search(name) and not needs.NAMES.search(name)
