"""The .vqcap file: every string survives, every damage is one clear sentence."""
import gzip
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcheck.target import vqcap
from vqcheck.target.target import Identity, Member, Thread

IDENTITY = Identity("gdb 13.1", "core", "qemu.core", 4241, "b" * 40, "x86_64", 1772366400.5, "the core file's time")
TEXT = st.text(max_size=30)
NUMBER = st.integers(0, 2**64 - 1)


def bundle(**answers):
    return vqcap.empty("little", 8, IDENTITY)._replace(**answers)


def packed(*lines):
    return gzip.compress("".join(line + "\n" for line in lines).encode("latin-1"), mtime=0)


def test_the_file_is_text_in_gzip():
    raw = vqcap.pack(bundle(symbols={"init_task": 4096}, asked={"side": "guest"}))
    lines = gzip.decompress(raw).decode("ascii").splitlines()
    assert lines[:3] == ["vqcap\t1", "target\tlittle\t8", "identity\tdebugger\tgdb 13.1"]
    assert lines[-2:] == ["ask\tside\tguest", "symbol\tinit_task\t4096"]


def test_the_same_answers_make_the_same_file():
    assert vqcap.pack(bundle(symbols={"a": 1})) == vqcap.pack(bundle(symbols={"a": 1}))


@pytest.mark.parametrize("hard", ["", "-", "\t", "\n", "\\", "\\x2d", "\\n", "a\tb\nc\r\x0b\x1c\x85\u2028", "\x1b[2J",
                                  "ü", "\U0001f980", "\ud800", "None"])
def test_strings_that_could_break_a_line(hard):
    answers = bundle(asked={hard: hard}, symbols={hard: 1}, names={1: hard}, refused={hard: hard},
                     members={(hard, hard): Member(1, 2)}, unreadable={(False, 1, 2): hard},
                     threads=[Thread(1, hard, (hard, hard)), Thread(2, None, None, hard)])
    assert vqcap.unpack(vqcap.pack(answers)) == answers


@given(asked=st.dictionaries(TEXT, TEXT), symbols=st.dictionaries(TEXT, st.none() | NUMBER),
       names=st.dictionaries(NUMBER, st.none() | TEXT), sizes=st.dictionaries(TEXT, st.none() | NUMBER),
       members=st.dictionaries(st.tuples(TEXT, TEXT), st.none() | st.builds(Member, NUMBER, NUMBER)),
       memory=st.dictionaries(st.tuples(st.booleans(), NUMBER), st.binary(min_size=1, max_size=40)),
       unreadable=st.dictionaries(st.tuples(st.booleans(), NUMBER, NUMBER), TEXT),
       threads=st.lists(st.builds(Thread, NUMBER, st.none() | TEXT, st.lists(TEXT, max_size=3).map(tuple), st.none())
                        | st.builds(Thread, NUMBER, st.none() | TEXT, st.none(), TEXT), max_size=3),
       eventfds=st.dictionaries(st.integers(0, 4000), st.none() | NUMBER), refused=st.dictionaries(TEXT, TEXT),
       stacks=st.dictionaries(TEXT, st.lists(TEXT, max_size=3).map(tuple)),
       tls=st.dictionaries(TEXT, st.none() | NUMBER), auxv=st.dictionaries(NUMBER, NUMBER))
def test_every_bundle_survives(**answers):
    whole = bundle(**answers)
    assert vqcap.unpack(vqcap.pack(whole)) == whole


def test_an_identity_of_which_little_is_known():
    sparse = vqcap.empty("big", 4, Identity("crash 8.0.2", "dump"))
    assert vqcap.unpack(vqcap.pack(sparse)) == sparse


@pytest.mark.parametrize("raw, complaint", [
    (b"", "empty"),
    (b"{}", "not a .vqcap file, or a damaged one"),
    (packed(), "its first line is something else"),
    (packed("hello"), "its first line is something else"),
    (packed("vqcap\t2", "target\tlittle\t8"), "version 2; this vqcheck reads version 1"),
    (packed("vqcap"), "this vqcheck reads version 1"),
    (packed("vqcap\t1"), "no target line"),
    (packed("vqcap\t1", "target"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\teight"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\t8", "bogus\t1"), "line 3 begins with bogus"),
    (packed("vqcap\t1", "target\tlittle\t8", "symbol\tx"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\t8", "size\tx\tlarge"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\t8", "memory\tvirtual\t1\tabc"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\t8", "memory\tvirtual\t-\tab"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\t8", "name\t1\t\\xZZ"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\t8", "name\t1\t\\"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\t8", "identity\tpid\tme"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\t8", "identity"), "can't be read"),
    (packed("vqcap\t1", "target\tlittle\t8", "name\t1\t\xfc"), "damaged"),
    (packed("vqcap\t1", "target\tlittle\t8", ""), "can't be read"),
])
def test_damage_is_named(raw, complaint):
    with pytest.raises(vqcap.BadBundle, match=complaint):
        vqcap.unpack(raw)


def test_a_file_that_is_cut_off():
    raw = vqcap.pack(bundle(memory={(False, 0): bytes(range(256))}))
    for length in range(len(raw)):
        with pytest.raises(vqcap.BadBundle):
            vqcap.unpack(raw[:length])


def test_a_file_that_unpacks_to_too_much(monkeypatch):
    monkeypatch.setattr(vqcap, "MAX_BYTES", 1000)
    assert vqcap.unpack(vqcap.pack(bundle())) == bundle()
    with pytest.raises(vqcap.BadBundle, match="unpacks to more than"):
        vqcap.unpack(vqcap.pack(bundle(memory={(False, 0): bytes(1000)})))


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_harmless(at, bit):
    raw = bytearray(vqcap.pack(bundle(symbols={"a": 1}, memory={(True, 8): b"12345678"})))
    raw[at % len(raw)] ^= 1 << bit
    try:
        found = vqcap.unpack(bytes(raw))
    except vqcap.BadBundle:
        return
    assert found == bundle(symbols={"a": 1}, memory={(True, 8): b"12345678"})


WORDS = ["vqcap", "1", "target", "little", "8", "identity", "pid", "symbol", "name", "size", "member", "memory",
         "virtual", "unreadable", "thread", "eventfd", "refused", "ask", "-", "", "ff", "\\x2d", "\\q", "99"]


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=6), max_size=8))
def test_nonsense_is_refused_or_read_but_never_crashes(lines):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = vqcap.unpack(packed("vqcap\t1", "target\tlittle\t8", *("\t".join(line) for line in lines)))
        except vqcap.BadBundle as problem:
            assert "\n" not in str(problem)
        else:
            assert found.pointer_size == 8
