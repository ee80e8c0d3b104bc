"""Recording and replay: the same answers and the same refusals, and never a guess."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_target import FakeTarget
from vqcheck.target import recording, vqcap
from vqcheck.target.errors import NotRecorded, NotSupported, NoType, Unreadable
from vqcheck.target.recording import Recorder, Replay
from vqcheck.target.target import Thread


@pytest.fixture
def target():
    made = FakeTarget()
    made.symbols["init_task"] = 0xFFFFFFFF82000000
    made.declare("struct list_head", [("next", 8), ("prev", 8)])
    made.put(0x1000, bytes(range(256)))
    return made


def replayed(recorder):
    return recording.load(vqcap.pack(recorder.bundle))[0]


def ask_everything(target):
    """Every answer, in the words of a walker."""
    answers = [target.symbol("init_task"), target.symbol("nothing"), target.symbol_name(0xFFFFFFFF82000000),
               target.symbol_name(1), target.type_size("struct list_head"), target.type_size("struct nothing"),
               target.member("struct list_head", "prev"), target.member("struct list_head", "nothing"),
               target.read(0x1000, 64), target.read(0x1020, 16), target.identity(), target.byte_order,
               target.pointer_size]
    for question in (lambda: target.read(0x9000, 8), target.threads, lambda: target.eventfd_count(3), target.auxv,
                     lambda: list(target.unwind({"rip": 0x500, "rsp": 0x7000})), lambda: target.tls_offset("own"),
                     lambda: target.tls_offset("nothing")):
        try:
            answers.append(question())
        except (Unreadable, NotSupported) as problem:
            answers.append((type(problem), str(problem)))
    return answers


def test_a_replay_answers_as_the_target_did(target):
    recorder = Recorder(target)
    expected = ask_everything(target)
    assert ask_everything(recorder) == expected
    assert ask_everything(replayed(recorder)) == expected


def test_a_replay_knows_the_process_that_the_target_knew(target):
    target.unwound, target.thread_locals, target.vector = {0x500: ("poll", "main")}, {"own": -16}, {25: 0x7FFF0000}
    recorder = Recorder(target)
    expected = ask_everything(target)
    assert ["poll", "main"] in expected and -16 in expected and {25: 0x7FFF0000} in expected
    assert ask_everything(recorder) == expected
    assert ask_everything(replayed(recorder)) == expected


def test_what_the_walker_was_asked_for_is_kept(target):
    recorder = Recorder(target, {"side": "guest", "device": "vdb"})
    assert recording.load(vqcap.pack(recorder.bundle))[1] == {"side": "guest", "device": "vdb"}


def test_a_recorder_asks_the_debugger_once(target):
    recorder = Recorder(target)
    for _ in range(3):
        recorder.read(0x1000, 32)
        recorder.read(0x1000, 8)
    assert target.reads == [(0x1000, 32)]
    assert recorder.reads == 1


def test_why_a_type_is_missing_is_recorded(target):
    target.why_no_type = {"struct nothing": "install it"}.get
    recorder = Recorder(target)

    def refused(asked):
        with pytest.raises(NoType, match="^no debug information for struct nothing: install it$"):
            asked.size_of("struct nothing")
    refused(target)
    refused(recorder)
    refused(replayed(recorder))
    assert replayed(recorder).why_no_type("struct other") is None


def test_a_longer_read_at_the_same_place_is_a_new_one(target):
    recorder = Recorder(target)
    recorder.read(0x1000, 8)
    assert recorder.read(0x1000, 32) == bytes(range(32))
    assert (recorder.reads, replayed(recorder).read(0x1000, 32)) == (2, bytes(range(32)))


def test_threads(target):
    target.stacks = [Thread(7, "CPU 0/KVM", ("ioctl", "kvm_vcpu_ioctl")), Thread(8, None, None, "no stack"),
                     Thread(9, "-", ())]
    recorder = Recorder(target)
    assert list(recorder.threads()) == target.stacks
    assert list(replayed(recorder).threads()) == target.stacks


@pytest.mark.parametrize("question", [
    lambda replay: replay.symbol("init_task"), lambda replay: replay.symbol_name(1),
    lambda replay: replay.type_size("int"), lambda replay: replay.member("struct a", "b"),
    lambda replay: replay.eventfd_count(3)])
def test_what_was_not_recorded_is_not_guessed(target, question):
    with pytest.raises(NotRecorded, match="the recording does not hold"):
        question(replayed(Recorder(target)))


def test_memory_that_was_not_recorded(target):
    recorder = Recorder(target)
    recorder.read(0x1000, 64)
    for address, size in ((0x0FFF, 2), (0x103F, 2), (0x1040, 1), (0, 8)):
        with pytest.raises(Unreadable, match="not in the recording"):
            replayed(recorder).read(address, size)


def test_virtual_and_physical_addresses_are_two_spaces(target):
    recorder = Recorder(target)
    recorder.read(0x1000, 8, physical=True)
    replay = replayed(recorder)
    assert replay.read(0x1000, 8, physical=True) == bytes(range(8))
    with pytest.raises(Unreadable):
        replay.read(0x1000, 8)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 64)), min_size=1, max_size=20),
       st.lists(st.tuples(st.integers(0, 255), st.integers(1, 64)), max_size=20))
def test_a_replay_knows_every_byte_of_a_recorded_read_and_no_other(reads, asked):
    target = FakeTarget()
    target.put(0, bytes(index % 251 for index in range(400)))
    recorder = Recorder(target)
    for address, size in reads:
        recorder.read(address, size)
    replay = Replay(recorder.bundle)
    for address, size in reads + asked:
        inside = any(start <= address and address + size <= start + length for start, length in reads)
        if inside:
            assert replay.read(address, size) == target.read(address, size)
        else:
            with pytest.raises(Unreadable):
                replay.read(address, size)
