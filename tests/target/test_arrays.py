"""Arrays of structs, and members that are looked up once."""
import pytest

from tests.fake_target import FakeTarget
from vqcheck.target.errors import Corrupt, NoMember, NoType
from vqcheck.target.target import Member
from vqcheck.target.view import View


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_one_member_of_each_struct(order, size):
    target = FakeTarget(order)
    stride = size + 5
    values = [1, 2, (1 << 8 * size) - 1]
    raw = b"".join(b"\xee" * 3 + value.to_bytes(size, order) + b"\xee" * 2 for value in values)
    assert target.decode_uints(raw, stride, Member(3, size)) == values
    assert target.decode_uints(raw + b"\1" * (stride - 1), stride, Member(3, size)) == values


@pytest.mark.parametrize(("stride", "member"), [
    (8, Member(8, 4)), (8, Member(6, 4)), (8, Member(-4, 4)), (8, Member(0, 3)), (8, Member(0, 0)), (0, Member(0, 8))])
def test_what_is_no_integer_inside_the_struct_is_refused(stride, member):
    with pytest.raises(Corrupt, match=f"at {member.offset} are no integer in a struct of {stride} bytes"):
        FakeTarget().decode_uints(bytes(64), stride, member)


@pytest.mark.parametrize(("order", "size"), [("little", 4), ("big", 8)])
def test_pointers(order, size):
    target = FakeTarget(order, size)
    raw = b"".join(value.to_bytes(size, order) for value in range(6))
    assert target.decode_pointers(raw) == list(range(6))
    assert target.decode_pointers(raw, 2 * size, size) == [1, 3, 5]


def test_a_member_is_asked_for_once(monkeypatch):
    target = FakeTarget()
    target.declare("struct pair", [("first", 4), ("second", 4)])
    target.put(0x1000, b"\1\0\0\0\2\0\0\0")
    asked = []
    member = target.member
    monkeypatch.setattr(target, "member", lambda *words: asked.append(words) or member(*words))
    for _ in range(3):
        view = View(target, "struct pair", 0x1000)
        assert (view.uint("renamed", "first"), view.uint("second")) == (1, 2)
    assert asked == [("struct pair", "renamed"), ("struct pair", "first"), ("struct pair", "second")]


def test_what_was_missing_is_asked_for_again():
    target = FakeTarget()
    with pytest.raises(NoType):
        View(target, "struct late", 0x1000)
    target.declare("struct late", [("known", 4)])
    target.put(0x1000, b"\7\0\0\0")
    view = View(target, "struct late", 0x1000)
    with pytest.raises(NoMember):
        view.uint("coming")
    target.types["struct late"][1]["coming"] = Member(0, 4)
    assert view.uint("coming") == 7
