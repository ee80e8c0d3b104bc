"""Typed views: one read a struct, the first name that exists, the target's byte order, and reasons instead of zeros."""
import pytest

from tests.fake_target import FakeTarget
from vqcheck.target.absence import Absences
from vqcheck.target.errors import NoMember, NoType, NullPointer, Unreadable
from vqcheck.target.view import BULK_LIMIT, View, container_of

VRING = "struct vring_virtqueue"
HERE = 0xFFFF888000001000


@pytest.fixture(params=["little", "big"])
def target(request):
    made = FakeTarget(request.param)
    made.declare(VRING, [("num_free", 4), ("last_used_idx", 2), ("broken", 1), ("name", 9), ("vq", 8), ("delta", 4)])
    made.put_struct(VRING, HERE, {"num_free": 124, "last_used_idx": 43932, "broken": 1, "name": b"req.0",
                                  "vq": HERE + 0x100, "delta": -2})
    return made


def test_members_in_the_byte_order_of_the_target(target):
    view = View(target, VRING, HERE)
    assert view.uint("num_free") == 124
    assert view.uint("last_used_idx") == 43932
    assert view.flag("broken") is True
    assert view.text("name") == "req.0"
    assert view.pointer("vq") == HERE + 0x100
    assert view.sint("delta") == -2


def test_a_struct_is_read_once(target):
    view = View(target, VRING, HERE)
    for _ in range(3):
        view.uint("num_free"), view.uint("last_used_idx"), view.text("name"), view.pointer("vq")
    assert target.reads == [(HERE, target.size_of(VRING))]


def test_an_embedded_struct_is_decoded_from_the_same_bytes(target):
    target.declare("struct outer", [("before", 4), ("inner", target.size_of(VRING))])
    target.put_struct("struct outer", 0x5000, {"inner": bytes(target.memory[HERE])})
    inner = View(target, "struct outer", 0x5000).embedded(VRING, "inner")
    assert inner.address == 0x5004
    assert inner.uint("last_used_idx") == 43932
    assert target.reads == [(0x5000, target.size_of("struct outer"))]


def test_of_a_large_struct_only_what_is_asked_for_is_read(target):
    target.declare("struct large", [("padding", BULK_LIMIT), ("value", 4)])
    target.put_struct("struct large", 0x10000, {"value": 7})
    assert View(target, "struct large", 0x10000).uint("value") == 7
    assert target.reads == [(0x10000 + BULK_LIMIT, 4)]


def test_a_struct_that_straddles_a_missing_page_is_read_member_by_member(target):
    target.put(0x2FFC, bytes(4))
    target.declare("struct split", [("first", 4), ("second", 4)])
    view = View(target, "struct split", 0x2FFC)
    assert view.uint("first") == 0
    with pytest.raises(Unreadable, match="page not in the dump"):
        view.uint("second")


def test_a_renamed_member_is_one_more_name(target):
    view = View(target, VRING, HERE)
    assert view.uint("last_used", "last_used_idx") == 43932
    assert not view.has("last_used")
    assert view.address_of("last_used", "last_used_idx") == HERE + 4
    with pytest.raises(NoMember, match=r"struct vring_virtqueue has no member last_used or used"):
        view.uint("last_used", "used")


def test_an_unknown_type(target):
    with pytest.raises(NoType, match="no debug information for struct nothing"):
        View(target, "struct nothing", HERE)


def test_null_pointers(target):
    with pytest.raises(NullPointer, match="the pointer to struct vring_virtqueue is NULL"):
        View(target, VRING, 0)
    target.change(VRING, HERE, vq=0)
    with pytest.raises(NullPointer, match="struct vring_virtqueue.vq is NULL"):
        View(target, VRING, HERE).follow(VRING, "vq")
    assert View(target, VRING, HERE).string("vq") is None


def test_strings_end_at_nul_and_escape_what_is_no_text(target):
    target.put(HERE + 0x100, b"vd\xffb\0rubbish" + bytes(200))
    assert View(target, VRING, HERE).string("vq") == "vd\\xffb"


def test_a_string_may_be_the_last_thing_before_a_missing_page(target):
    target.put(0x7FFD, b"vd\0")
    assert target.read_string(0x7FFD) == "vd"


def test_a_string_without_end_is_cut(target):
    target.put(0x8000, b"x" * 4096)
    assert target.read_string(0x8000, limit=100) == "x" * 100


def test_container_of(target):
    assert container_of(target, HERE + 4, VRING, "last_used_idx") == HERE


def test_absences_keep_the_reason(target):
    absent = Absences()
    view = View(target, VRING, HERE)
    assert absent.take("num_free", view.uint, "num_free") == 124
    assert absent.take("last", view.uint, "gone") is None
    assert absent == {"last": "struct vring_virtqueue has no member gone"}


def test_absences_hide_no_bugs():
    with pytest.raises(ZeroDivisionError):
        Absences().take("field", lambda: 1 // 0)
