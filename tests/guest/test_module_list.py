"""Which build a module is of, in the layouts that the kernel's versions have."""
import struct

import pytest

from tests.fake_target import FakeTarget
from vqcheck.guest.module_list import build_id, kernel_build_id

MODULES, BLK, NOTES, NOTE = 0x1000, 0x2000, 0x3000, 0x5000
ID = bytes(range(1, 21))


def kernel(kind, byte_order="little", size=None):
    """A kernel with one module."""
    target = FakeTarget(byte_order)
    target.symbols["modules"] = MODULES
    extra = [("build_id", 20)] if kind == "member" else [("notes_attrs", 8)]
    target.declare("struct module", [("state", 8), ("list", 16), ("name", 56), *extra])
    target.declare("struct bin_attribute", [("attr", 16), ("size", 8), ("private", 8)])
    values = {"list": target.encode(MODULES, 8), "name": b"virtio_blk"}
    values.update({"build_id": ID} if kind == "member" else {"notes_attrs": NOTES})
    target.put_struct("struct module", BLK, values)
    target.put(MODULES, target.encode(BLK + 8, 8) * 2)
    head = [("dir", 8), ("notes", 4), ("pad", 4)] if kind == "counted" else [("grp.name", 8), ("grp.bin_attrs", 8)]
    target.declare("struct module_notes_attrs", [*head, ("attrs", 0)])
    target.put_struct("struct module_notes_attrs", NOTES,
                      {"notes": 2} if kind == "counted" else {"grp.bin_attrs": NOTES + 0x100})
    order = ">" if byte_order == "big" else "<"
    other = struct.pack(order + "III", 6, 1, 0x100) + b"Linux\0\0\0" + bytes(4)
    note = struct.pack(order + "III", 4, 20, 3) + b"GNU\0" + ID
    for number, raw in enumerate((other, note)):
        target.put(NOTE + number * 0x100, raw)
        target.put_struct("struct bin_attribute", NOTES + 16 + 32 * number,
                          {"size": len(raw) if size is None else size, "private": NOTE + number * 0x100})
    target.put(NOTES + 0x100, b"".join(target.encode(at, 8) for at in (NOTES + 16, NOTES + 48, 0)))
    return target


@pytest.mark.parametrize("kind", ["member", "counted", "group"])
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_build_id(kind, byte_order):
    assert build_id(kernel(kind, byte_order), "virtio_blk") == ID.hex()


def test_a_module_that_is_not_there():
    assert build_id(kernel("member"), "virtio_net") is None


@pytest.mark.parametrize("gone", [MODULES, BLK, NOTES, NOTE + 0x100, NOTES + 48])
def test_what_cannot_be_read_is_absent(gone):
    target = kernel("counted")
    target.forget(gone)
    assert build_id(target, "virtio_blk") is None


def test_a_size_that_cannot_be_is_not_believed():
    target = kernel("counted", size=1 << 40)
    assert build_id(target, "virtio_blk") is None
    assert max(size for _, size in target.reads) < 1 << 16


def test_a_kernel_that_did_not_note_it():
    target = kernel("member")
    target.change("struct module", BLK, build_id=0)
    assert build_id(target, "virtio_blk") is None


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_the_kernels_own(byte_order):
    target = FakeTarget(byte_order)
    assert kernel_build_id(target) is None
    order = ">" if byte_order == "big" else "<"
    raw = struct.pack(order + "III", 4, 20, 3) + b"GNU\0" + ID
    target.put(NOTES, raw)
    target.symbols.update(__start_notes=NOTES, __stop_notes=NOTES + len(raw))
    assert kernel_build_id(target) == ID.hex()
    target.symbols["__stop_notes"] = NOTES - 1
    assert kernel_build_id(target) is None
    target.symbols["__stop_notes"] = NOTES + len(raw) + 8
    assert kernel_build_id(target) is None, "not all of it can be read"
