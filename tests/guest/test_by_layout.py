"""The walk with a layout and bare memory gives what it gives with debug information."""
import pytest

from crash_ext.command import FACE
from tests import recordings
from tests.guest.machine import RELEASES, WITH_PACKED_RINGS, machine
from tests.layouts import BUILD_ID, RELEASE, SLIDE, STEXT, MemoryOnly, of_answers
from vqcheck import debugger
from vqcheck.guest.snapshot import take
from vqcheck.snapshot.write import to_json
from vqcheck.target.layouts import layout
from vqcheck.target.layouts.layout_target import Use, on_kernel
from vqcheck.target.recording import Recorder, Replay


def by_layout(bundle, memory, force=False, **vmcoreinfo):
    """A target that knows of symbols and types what a walk was told, out of a file, and memory alone."""
    known = layout.unpack(layout.pack(of_answers(bundle)))
    said = {"OSRELEASE": RELEASE, "BUILD-ID": BUILD_ID, "SYMBOL(_stext)": f"{STEXT + SLIDE:x}", **vmcoreinfo}
    return on_kernel(Use(known, force), MemoryOnly(memory), said)


def comparable(snapshot):
    """The snapshot without what a layout may change: the debugger's name, what would bring missing types, and the build
    id, which not every debugger tells and a layout knows."""
    why = {field: reason for field, reason in snapshot.target.absent.items() if field != "build_id"}
    text = to_json(snapshot._replace(producer=snapshot.producer._replace(debugger=None),
                                     target=snapshot.target._replace(build_id=None, absent=why)))
    return text.replace(": the layout file was saved without it", "")


@pytest.mark.parametrize("release, packed", [(release, False) for release in RELEASES]
                         + [(release, True) for release in WITH_PACKED_RINGS])
@pytest.mark.parametrize("byte_order, pointer_size", [("little", 8), ("big", 4)])
def test_made_up_kernels(release, packed, byte_order, pointer_size):
    guest = machine(release, byte_order, pointer_size, is_packed=packed, more=True)
    recorder = Recorder(guest)
    expected = take(recorder)
    target = by_layout(recorder.bundle, guest)
    found = take(target)
    assert found.producer.debugger == "a double with a layout file"
    assert comparable(found) == comparable(expected)
    assert found.target.build_id == BUILD_ID
    assert [device.name for device in found.devices][:1] == ["vdb"]


@pytest.mark.parametrize("name", recordings.names())
def test_recordings_of_real_kernels(name):
    bundle = recordings.bundle(name, "guest")
    disk = bundle.asked["device"]
    found = take(by_layout(bundle, Replay(bundle)), disk)
    assert comparable(found) == comparable(recordings.replay(bundle))


def test_a_forced_layout_leaves_a_warning_in_the_snapshot():
    guest = machine()
    recorder = Recorder(guest)
    assert take(recorder).capture.warnings is None
    (warning,) = take(by_layout(recorder.bundle, guest, True, **{"BUILD-ID": "f" * 40})).capture.warnings
    assert "f" * 40 in warning and "by force" in warning


def test_a_recording_made_with_a_forced_layout_keeps_the_warning():
    guest = machine()
    first = Recorder(guest)
    take(first)
    recorder = Recorder(by_layout(first.bundle, guest, True, **{"BUILD-ID": "f" * 40}))
    expected = take(recorder)
    assert expected.capture.warnings
    assert take(Replay(recorder.bundle)) == expected


def test_a_type_that_the_layout_lacks_is_absent_with_its_reason():
    guest = machine()
    recorder = Recorder(guest)
    take(recorder)
    bundle = recorder.bundle
    bundle.sizes["struct virtio_blk"] = None
    for key in [key for key in bundle.members if key[0] == "struct virtio_blk"]:
        bundle.members[key] = None
    (disk,) = take(by_layout(bundle, guest)).devices
    assert disk.guest.virtio_blk is None and "layout file" in disk.guest.absent["virtio_blk"]
    assert disk.queues[0].in_flight, "and all that does not need it is there"


def without(guest, *types):
    """A debugger that lacks the debug information of some types."""
    for name in types:
        guest.types.pop(f"struct {name}", None)
    return guest


@pytest.fixture
def crash(tmp_path):
    """Run `vqstate WORDS` in a debugger that lacks what modules describe; gives what it printed.

    The kernel has its build id in its notes only, where its own symbols say; the layout's are as linked.
    """
    recorder = Recorder(machine())
    take(recorder, "vdb")
    known = of_answers(recorder.bundle)
    known.symbols.update(__start_notes=0x81002000, __stop_notes=0x81002024)
    path = tmp_path / "x.vqlayout"
    path.write_bytes(layout.pack(known))
    guest = without(machine(), "vring_virtqueue", "virtio_blk", "vring_desc_state")
    guest.symbols["_stext"] = STEXT + SLIDE
    guest.put(0x81002000 + SLIDE, b"".join(number.to_bytes(4, "little") for number in (4, 20, 3)) + b"GNU\0"
              + bytes.fromhex(BUILD_ID))

    def run(*words):
        printed = []
        status = debugger.run(FACE, [str(word) for word in words], lambda: guest, printed.append)
        return status, "".join(printed)
    run.path, run.guest = path, guest
    return run


def test_crash_takes_from_a_layout_what_modules_lack(crash):
    status, out = crash("vdb", "--layout", crash.path)
    assert (status, "entries in flight" in out) == (debugger.OK, True)
    assert "no debug information for struct vring_virtqueue" in crash("vdb")[1]


def test_crash_refuses_a_layout_of_another_build(crash):
    crash.guest.put(0x81002000 + SLIDE, bytes(36))
    status, out = crash("vdb", "--layout", crash.path)
    assert status == debugger.FAILED and "build id not known" in out and "--force" in out
    status, out = crash("vdb", "--layout", crash.path, "--force")
    assert status == debugger.OK and "WARNING: the layout file is of" in out


def test_crash_has_no_such_file(crash):
    assert crash("--layout", "/no/file") == (debugger.FAILED, "vqstate: /no/file: No such file or directory\n")
