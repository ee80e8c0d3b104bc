"""The .vqlayout file: every layout survives, every damage is one clear sentence, every member is found."""
import gzip
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcheck.target.layouts import layout
from vqcheck.target.layouts.layout import About, BadLayout, Function, Layout, NotInLayout, Slot
from vqcheck.target.target import Member

ABOUT = About("linux", "b" * 40, "6.1.0-56-cloud-amd64", "x86_64", "vqcheck 0.1.0")
TEXT = st.text(max_size=20)
ADDRESS = st.integers(0, 2**32 - 1)
"""What is an address with pointers of any size."""


def a_layout(**content):
    return layout.empty("little", 8, ABOUT)._replace(**content)


def packed(*lines, target="target\tlittle\t8", about="about\tkind\tlinux"):
    text = "".join(line + "\n" for line in ("vqlayout\t1", target, about, *lines))
    return gzip.compress(text.encode("latin-1"), mtime=0)


@pytest.fixture
def queue():
    """A struct with a named struct, an unnamed one's members, and an array without a length."""
    return a_layout(
        sizes={"struct queue": 64, "struct vring": 24, "struct list_head": 16, "struct gone": None},
        members={
            ("struct queue", "list"): Slot(0, 16, "struct list_head"),
            ("struct queue", "split"): Slot(16, 40, None),
            ("struct queue", "split.vring"): Slot(24, 24, "struct vring"),
            ("struct queue", "split.idx"): Slot(48, 2, None),
            ("struct queue", "tail"): Slot(64, 0, None),
            ("struct vring", "num"): Slot(0, 4, None),
            ("struct vring", "desc"): Slot(8, 8, None),
            ("struct list_head", "next"): Slot(0, 8, None),
        })


def test_the_file_is_text_in_gzip(queue):
    lines = gzip.decompress(layout.pack(queue._replace(symbols={"_stext": 4096, "gone": None}, fixed={"cpu": 8},
                                                       parts={"virtio": "aa"}))).decode("ascii").splitlines()
    assert lines[:3] == ["vqlayout\t1", "target\tlittle\t8", "about\tkind\tlinux"]
    assert {"part\tvirtio\taa", "symbol\t_stext\t4096", "symbol\tgone\t-", "fixed\tcpu\t8", "size\tstruct gone\t-",
            "member\tstruct queue\tsplit.vring\t24\t24\tstruct vring",
            "member\tstruct queue\ttail\t64\t0\t-"} < set(lines)


@given(about=st.builds(About, TEXT.filter(bool), *[st.none() | TEXT] * 4),
       parts=st.dictionaries(TEXT, st.none() | TEXT), symbols=st.dictionaries(TEXT, st.none() | ADDRESS),
       fixed=st.dictionaries(TEXT, ADDRESS), sizes=st.dictionaries(TEXT, st.none() | st.integers(0, layout.MAX_TYPE)),
       order=st.sampled_from(["big", "little"]), pointer_size=st.sampled_from([4, 8]),
       paths=st.lists(st.tuples(TEXT, st.none() | TEXT)),
       functions=st.lists(st.builds(Function, ADDRESS, st.integers(0, 2**32), TEXT)).map(sorted),
       tls=st.dictionaries(TEXT, st.none() | st.integers(-2**40, 2**40)))
def test_every_layout_survives(about, parts, symbols, fixed, sizes, order, pointer_size, paths, functions, tls):
    members = {(name, path): Slot(0, size, inner) for name, size in sizes.items() if size is not None
               for path, inner in paths}
    whole = Layout(order, pointer_size, about, parts, symbols, fixed, functions, tls, sizes, members)
    assert layout.unpack(layout.pack(whole)) == whole


@pytest.mark.parametrize("path, found", [
    ("list", (0, 16)), ("list.next", (0, 8)), ("split", (16, 40)), ("split.vring", (24, 24)),
    ("split.vring.num", (24, 4)), ("split.vring.desc", (32, 8)), ("split.idx", (48, 2)), ("tail", (64, 0)),
    ("split.vring.gone", None), ("split.gone", None), ("gone", None), ("list.next.next", None), ("", None),
    ("list.", None), ("split.idx.split", None)])
def test_members_are_found_through_structs(queue, path, found):
    assert queue.member("struct queue", path) == (found and Member(*found))


def test_what_the_build_lacks_and_what_was_not_saved_are_two_things(queue):
    assert queue.type_size("struct gone") is None
    assert queue.member("struct gone", "x") is None
    for question in (lambda: queue.type_size("struct other"), lambda: queue.member("struct other", "x")):
        with pytest.raises(NotInLayout, match="does not hold struct other"):
            question()


def test_a_layout_that_lost_an_inner_type_does_not_lead_astray(queue):
    del queue.sizes["struct vring"]
    for path in ("num", "desc"):
        del queue.members[("struct vring", path)]
    again = layout.unpack(layout.pack(queue))
    assert again.member("struct queue", "split.vring.num") is None
    assert again.member("struct queue", "split.vring") == Member(24, 24)


def test_types_that_contain_each_other_are_walked_to_the_end_of_the_path():
    around = a_layout(sizes={"struct a": 8}, members={("struct a", "a"): Slot(0, 8, "struct a")})
    assert around.member("struct a", ".".join("a" * 1000)) == Member(0, 8)


@pytest.mark.parametrize("raw, complaint", [
    (b"", "not a .vqlayout file: it is empty"),
    (gzip.compress(b"vqcap\t1\n", mtime=0), "its first line is something else"),
    (gzip.compress(b"vqlayout\t2\n", mtime=0), "version 2; this vqcheck reads version 1"),
    (gzip.compress(b"vqlayout\t1\n", mtime=0), "can't be read"),
    (packed(target="target\tmiddle\t8"), "no target line"),
    (packed(target="target\tlittle\t3"), "no target line"),
    (packed(target="target\tlittle"), "can't be read"),
    (packed(about="about\trelease\tx"), "does not say what it is of"),
    (packed("bogus\tx\t1"), "line 4 begins with bogus"),
    (packed("symbol\tx"), "can't be read"),
    (packed("symbol\tx\tfar"), "can't be read"),
    (packed("symbol\tx\t-1"), "outside"),
    (packed("symbol\tx\t18446744073709551616"), "outside"),
    (packed("fixed\tx\t-"), "can't be read"),
    (packed("size\tx\t-1"), "x has -1 bytes"),
    (packed("size\tx\t99999999999"), "x has 99999999999 bytes"),
    (packed("member\tx\ty\t0\t8\t-"), "x.y does not lie in its type"),
    (packed("size\tx\t-", "member\tx\ty\t0\t8\t-"), "x.y does not lie in its type"),
    (packed("size\tx\t8", "member\tx\ty\t1\t8\t-"), "x.y does not lie in its type"),
    (packed("size\tx\t8", "member\tx\ty\t-1\t8\t-"), "x.y does not lie in its type"),
    (packed("size\tx\t8", "member\tx\ty\t9\t-1\t-"), "x.y does not lie in its type"),
    (packed("size\tx\t8", "member\tx\ty\t0\t8"), "can't be read"),
])
def test_damage_is_named(raw, complaint):
    with pytest.raises(BadLayout, match=complaint):
        layout.unpack(raw)


WORDS = ["target", "little", "8", "about", "kind", "part", "symbol", "fixed", "size", "member", "x", "-", "", "4", "-4",
         "\\q", "ff"]


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=7), max_size=8))
def test_nonsense_is_refused_or_read_but_never_crashes(lines):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = layout.unpack(packed(*("\t".join(line) for line in lines)))
        except BadLayout as problem:
            assert "\n" not in str(problem)
        else:
            assert found.pointer_size == 8


def test_a_file_names_itself_in_its_errors(tmp_path, monkeypatch):
    path = tmp_path / "x.vqlayout"
    path.write_bytes(b"hello")
    with pytest.raises(BadLayout, match=f"^{path}: not a .vqlayout file, or a damaged one"):
        layout.read_file(str(path))
    monkeypatch.setattr(layout, "MAX_BYTES", 100)
    path.write_bytes(bytes(101))
    with pytest.raises(BadLayout, match=f"^{path}: larger than"):
        layout.read_file(str(path))
    path.write_bytes(layout.pack(a_layout(symbols={str(number): number for number in range(50)})))
    with pytest.raises(BadLayout, match="unpacks to more than|larger"):
        layout.read_file(str(path))
