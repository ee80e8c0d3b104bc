"""The list of what a layout must hold, held against everything that walkers are seen to ask."""
import ast
import pathlib
import re

import pytest

import vqcheck.guest
from tests import recordings
from tests.guest.machine import RELEASES, WITH_PACKED_RINGS, machine
from vqcheck.guest import needs, snapshot, tasks
from vqcheck.target.errors import TargetError
from vqcheck.target.recording import Recorder

SOURCES = sorted(path for path in pathlib.Path(vqcheck.guest.__file__).parent.rglob("*.py")
                 if path.name not in ("needs.py", "modules.py"))
A_TYPE = re.compile(r"(struct|union|enum) \w+")
A_SYMBOL = re.compile(r"[a-z_]\w*")


def literals(source, kind):
    return [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, kind)]


def missing(bundle):
    """What a walk asked for by name and a layout would not hold."""
    types = set(bundle.sizes) | {type_name for type_name, _ in bundle.members}
    return sorted(types - set(needs.TYPES)) + sorted(set(bundle.symbols) - set(needs.SYMBOLS))


@pytest.mark.parametrize("name", recordings.names())
def test_every_question_of_a_recording_is_covered(name):
    assert missing(recordings.bundle(name, "guest")) == []


@pytest.mark.parametrize("release, packed", [(release, False) for release in RELEASES]
                         + [(release, True) for release in WITH_PACKED_RINGS])
def test_every_question_of_a_walk_through_a_made_up_kernel_is_covered(release, packed):
    recorder = Recorder(machine(release, is_packed=packed, more=True))
    for name in (None, "vdb"):
        try:
            snapshot.take(recorder, name)
        except TargetError:
            pass  # what it asked for until then counts
    assert recorder.bundle.sizes and missing(recorder.bundle) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_type_that_a_walker_names_is_covered(source):
    named = {node.value for node in literals(source, ast.Constant)
             if isinstance(node.value, str) and A_TYPE.fullmatch(node.value)}
    assert named <= set(needs.TYPES) | {"struct vring_desc_state_"}  # the last is put together with `split`, `packed`


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_symbol_that_a_walker_names_is_covered(source):
    """The first argument of target.symbol() and target.address_of(); View.address_of() takes members."""
    calls = [node for node in literals(source, ast.Call) if isinstance(node.func, ast.Attribute) and node.args]
    named = {call.args[0].value for call in calls
             if ast.unparse(call.func) in ("target.symbol", "target.address_of", "self.target.symbol",
                                           "self.target.address_of", "self._target.symbol", "self._target.address_of")
             and isinstance(call.args[0], ast.Constant)}
    assert named <= set(needs.SYMBOLS)


def test_nothing_is_listed_twice():
    for listed in (needs.TYPES, needs.SYMBOLS):
        assert len(listed) == len(set(listed))
        assert all(A_TYPE.fullmatch(one) or A_SYMBOL.fullmatch(one) for one in listed)


@pytest.mark.parametrize("name", ["vp_interrupt", "vp_vring_interrupt", "vm_interrupt", "virtblk_done", "skb_recv_done",
                                  "skb_xmit_done", "virtnet_poll", "virtscsi_req_done", "vring_interrupt", *tasks.ENDS,
                                  "bio_chain_endio", "blk_end_sync_rq", "ext4_end_bio", "end_bio_bh_io_sync"])
def test_functions_that_walkers_know_by_name_are_named(name):
    assert needs.NAMES.search(name)


@pytest.mark.parametrize("name", ["schedule", "kmalloc", "vm_area_alloc", "blk_done", ""])
def test_not_every_function_is_named(name):
    assert not needs.NAMES.search(name)
