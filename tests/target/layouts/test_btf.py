"""BTF: types as the running kernel offers them."""
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.btf_file import BtfFile, kernel
from vqcheck.target.layouts import btf, layout
from vqcheck.target.layouts.btf import BadBtf, Btf
from vqcheck.target.layouts.layout import About
from vqcheck.target.layouts.survey import add_types
from vqcheck.target.target import Member


def surveyed(types, *names):
    found = layout.empty(types.byte_order, types.pointer_size, About("linux"))
    add_types(found, names, types.find)
    return layout.unpack(layout.pack(found))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("long_size", [8, 4])
def test_members_of_every_kind(order, long_size):
    types = Btf(kernel(order, long_size).bytes())
    assert (types.byte_order, types.pointer_size) == ({"<": "little", ">": "big"}[order], long_size)
    found = surveyed(types, "struct queue", "atomic_t", "struct opaque", "struct gone", "union gone", "enum gone")
    start = 2 * long_size
    where = {"list": (0, start), "list.prev": (long_size, long_size), "whole": (start, 8), "low": (start, 4),
             "high": (start + 4, 4), "split": (start + 8, 8), "split.idx": (start + 8, 4),
             "split.count": (start + 12, 4), "split.count.counter": (start + 12, 4), "plain": (start + 20, 4),
             "tail": (start + 24, 0)}
    assert {path: found.member("struct queue", path) for path in where} == {
        path: Member(*place) for path, place in where.items()}
    for path in ("bit", "idx", "gone", "list.next.prev"):
        assert found.member("struct queue", path) is None
    assert (found.type_size("struct queue"), found.type_size("atomic_t")) == (start + 24, 4)
    assert [found.type_size(name) for name in ("struct opaque", "struct gone", "union gone", "enum gone")] == [None] * 4


def test_a_bit_field_of_an_older_compiler():
    """Without the flag of the struct, an integer of fewer bits than its bytes have."""
    file = BtfFile()
    file.integer("long int", 8)
    narrow, whole = file.integer("unsigned int", 4, bits=3), file.integer("unsigned int", 4)
    file.struct("old", 8, [("bit", narrow, 0, 0), ("odd", whole, 3, 0), ("plain", whole, 32, 0)])
    found = surveyed(Btf(file.bytes()), "struct old")
    assert [found.member("struct old", path) for path in ("bit", "odd", "plain")] == [None, None, Member(4, 4)]


def test_a_modules_types_go_on_where_those_of_vmlinux_end():
    base = kernel()
    file = BtfFile(base=base)
    own = file.struct("own", 4, [("x", 1, 0, 0)])
    file.struct("blk", 24, [("list", 4, 0, 0), ("own", own, 128, 0)])
    vmlinux = Btf(base.bytes())
    module = Btf(file.bytes(), vmlinux)
    found = surveyed(module, "struct blk")
    assert found.member("struct blk", "list.prev") == Member(8, 8), "of vmlinux"
    assert found.member("struct blk", "own.x") == Member(16, 4)
    assert module.pointer_size == 8
    assert vmlinux.find("struct blk") is None and module.find("struct queue") is None


@pytest.mark.parametrize("raw", [b"", b"\x9f\xeb", bytes(24), b"\x9f\xeb\x02" + bytes(21), kernel().bytes()[:100]])
def test_what_is_no_btf(raw):
    with pytest.raises(BadBtf):
        Btf(raw)


def test_a_kind_that_is_not_known():
    file = BtfFile()
    file.add(31, "new")
    with pytest.raises(BadBtf, match="unknown kind, 31"):
        Btf(file.bytes())


@pytest.mark.parametrize("kind", [btf.TYPEDEF, btf.CONST])
def test_types_that_lead_to_themselves(kind):
    file = BtfFile()
    file.add(kind, "loop", 1)
    file.struct("x", 4, [("y", 1, 0, 0)])
    with pytest.raises(BadBtf, match="leads nowhere"):
        surveyed_fields(Btf(file.bytes()))


def surveyed_fields(types):
    return [field.type.size() for field in types.find("struct x").fields()]


def test_an_array_of_itself_has_no_size():
    file = BtfFile()
    file.array(1, 1 << 31)
    file.struct("x", 4, [("y", 1, 0, 0)])
    assert surveyed_fields(Btf(file.bytes())) == [None]


def test_a_struct_in_itself_ends():
    file = BtfFile()
    file.integer("long int", 8)
    file.struct("", 8, [("a", 2, 0, 0)])
    file.struct("x", 8, [("y", 2, 0, 0)])
    found = surveyed(Btf(file.bytes()), "struct x")
    assert found.member("struct x", "y.a.a") == Member(0, 8)


@given(at=st.integers(24, 2000), value=st.integers(0, 2**32 - 1))
def test_damage_is_refused_or_harmless(at, value):
    raw = bytearray(kernel().bytes())
    struct.pack_into("<I", raw, min(at, len(raw) - 4), value)
    try:
        types = Btf(bytes(raw))
        surveyed(types, "struct queue", "struct list_head", "atomic_t")
    except (BadBtf, layout.BadLayout):
        pass
