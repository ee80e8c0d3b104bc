"""A target whose types come from a layout: what it answers, and which layouts it refuses."""
import pytest

from tests.fake_target import FakeTarget
from tests.layouts import BUILD_ID, RELEASE, SLIDE, MemoryOnly
from vqcheck.target.errors import NotSupported, NoType
from vqcheck.target.layouts import layout
from vqcheck.target.layouts.layout import About, NotInLayout, Slot
from vqcheck.target.layouts.layout_target import LayoutMismatch, LayoutTarget, Use, kernel_bias, on_kernel
from vqcheck.target.target import Member

STEXT, UTS, NOTES, DONE, CPU_NUMBER = (0xFFFFFFFF81000000, 0xFFFFFFFF82BF9B60, 0xFFFFFFFF82437E70, 0xFFFFFFFF81200000,
                                       0x19160)
VMCOREINFO = {"OSRELEASE": RELEASE, "BUILD-ID": BUILD_ID, "SYMBOL(_stext)": f"{STEXT + SLIDE:x}"}
WITHOUT_BUILD_ID = {key: VMCOREINFO[key] for key in ("SYMBOL(_stext)", "OSRELEASE")}
OTHER = "0" * 40


@pytest.fixture
def known():
    return layout.empty("little", 8, About("linux", BUILD_ID, RELEASE, "x86_64"))._replace(
        parts={"virtio_blk": None},
        symbols={"_stext": STEXT, "init_uts_ns": UTS, "__start_notes": NOTES, "__stop_notes": NOTES + 36,
                 "virtblk_done": DONE, "sparse_irqs": None},
        fixed={"cpu_number": CPU_NUMBER},
        sizes={"struct request": 16, "struct gone": None},
        members={("struct request", "tag"): Slot(4, 4, None)})


@pytest.fixture
def debugger():
    return FakeTarget()


@pytest.fixture
def target(known, debugger):
    return LayoutTarget(known, debugger, SLIDE)


def note(build_id):
    raw = bytes.fromhex(build_id)
    return (4).to_bytes(4, "little") + len(raw).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"GNU\0" + raw


def test_symbols_move_with_the_kernel(target):
    assert target.symbol("_stext") == STEXT + SLIDE
    assert target.symbol_name(DONE + SLIDE) == "virtblk_done"
    assert target.symbol_name(DONE) is None
    assert target.symbol_name(DONE + SLIDE + 1) is None


def test_per_cpu_symbols_are_offsets_and_stay(target):
    assert target.symbol("cpu_number") == CPU_NUMBER


def test_addresses_wrap_at_the_pointers_size(known):
    assert LayoutTarget(known, FakeTarget(), (1 << 64) - 16).symbol("_stext") == STEXT - 16


def test_what_the_build_lacks_is_absent(target):
    assert target.symbol("sparse_irqs") is None
    assert target.type_size("struct gone") is None and target.member("struct gone", "x") is None
    assert target.member("struct request", "gone") is None
    with pytest.raises(NoType, match="for struct gone: the layout file was saved without it .with virtio_blk.$"):
        target.size_of("struct gone")


@pytest.mark.parametrize("question", [
    lambda target: target.symbol("other"), lambda target: target.type_size("struct other"),
    lambda target: target.member("struct other", "x")])
def test_what_was_not_saved_is_not_guessed(target, question):
    with pytest.raises(NotInLayout, match="save it again with this vqcheck"):
        question(target)


def test_types_come_from_the_layout(target):
    assert target.type_size("struct request") == 16
    assert target.member("struct request", "tag") == Member(4, 4)


def test_the_debuggers_own_information_goes_first(target, debugger):
    debugger.symbols.update({"_stext": 1, "mine": 2})
    debugger.declare("struct request", [("other", 8), ("more", 8)])
    assert (target.symbol("_stext"), target.symbol("mine"), target.symbol_name(1)) == (1, 2, "_stext")
    assert target.member("struct request", "other") == Member(0, 8)
    assert target.member("struct request", "tag") is None, "the debugger knows the type, and this member is not in it"


def test_memory_is_the_debuggers(target, debugger):
    debugger.put(0x1000, b"abcd")
    assert target.read(0x1000, 4) == b"abcd"
    for question in (target.threads, lambda: target.eventfd_count(3)):
        with pytest.raises(NotSupported):
            question()


def test_names_that_the_layout_lacks_are_looked_for(known, debugger):
    asked = []

    def find(target, address):
        asked.append((target, address))
        return "in_module"
    target = LayoutTarget(known, debugger, SLIDE, find_name=find)
    assert target.symbol_name(0xFFFFFFFFC0000000) == "in_module"
    assert target.symbol_name(DONE + SLIDE) == "virtblk_done"
    assert asked == [(target, 0xFFFFFFFFC0000000)]


def test_a_layout_of_the_same_build_is_taken(known, debugger):
    target = on_kernel(Use(known), debugger, VMCOREINFO)
    assert (target.bias, target.identity().warning, target.identity().build_id) == (SLIDE, None, BUILD_ID)
    assert target.identity().debugger == "a double with a layout file"


def test_a_layout_of_another_build_is_refused(known, debugger):
    with pytest.raises(LayoutMismatch) as refused:
        on_kernel(Use(known), debugger, {**VMCOREINFO, "BUILD-ID": OTHER, "OSRELEASE": "6.1.0-other"})
    assert str(refused.value) == (
        f"the layout file is of {RELEASE} (build id {BUILD_ID}), and the kernel is 6.1.0-other (build id {OTHER}). "
        "With --force it is used all the same, and the snapshot says so")


def test_by_force_it_is_used_with_a_warning(known, debugger):
    target = on_kernel(Use(known, force=True), debugger, {**VMCOREINFO, "BUILD-ID": OTHER})
    assert target.symbol("_stext") == STEXT + SLIDE
    assert target.identity().build_id is None
    assert OTHER in target.identity().warning and "it was used by force" in target.identity().warning


def test_force_leaves_no_warning_where_the_layout_fits(known, debugger):
    assert on_kernel(Use(known, force=True), debugger, VMCOREINFO).identity().warning is None


@pytest.mark.parametrize("in_memory, fits", [(BUILD_ID, True), (OTHER, False), (None, False)])
def test_a_kernel_older_than_5_9_tells_its_build_id_in_its_notes_only(known, debugger, in_memory, fits):
    if in_memory:
        debugger.put(NOTES + SLIDE, note(in_memory))
    if fits:
        assert on_kernel(Use(known), debugger, WITHOUT_BUILD_ID)
        return
    with pytest.raises(LayoutMismatch, match=f"build id {in_memory or 'not known'}"):
        on_kernel(Use(known), debugger, WITHOUT_BUILD_ID)


@pytest.mark.parametrize("force", [False, True])
def test_vmcoreinfo_that_was_merely_found_must_be_proven_by_memory(known, debugger, force):
    with pytest.raises(LayoutMismatch, match="build id not known.$|build id not known\\)$"):
        on_kernel(Use(known, force), debugger, VMCOREINFO, proof=True)
    debugger.put(NOTES + SLIDE, note(BUILD_ID))
    assert on_kernel(Use(known, force), debugger, VMCOREINFO, proof=True).identity().warning is None


def test_a_layout_without_build_id_fits_nothing(known, debugger):
    nameless = known._replace(about=About("linux"))
    with pytest.raises(LayoutMismatch, match="layout file is of unknown release \\(build id not known\\)"):
        on_kernel(Use(nameless), debugger, WITHOUT_BUILD_ID)


@pytest.mark.parametrize("memory", [FakeTarget("big"), FakeTarget(pointer_size=4)])
def test_another_architecture_is_refused_by_force_too(known, memory):
    with pytest.raises(LayoutMismatch, match="another architecture"):
        on_kernel(Use(known, force=True), memory, VMCOREINFO)


def test_a_layout_of_something_else_is_refused(known, debugger):
    with pytest.raises(LayoutMismatch, match="of qemu, and not of a Linux kernel"):
        on_kernel(Use(known._replace(about=About("qemu", BUILD_ID)), force=True), debugger, VMCOREINFO)


@pytest.mark.parametrize("said, bias", [
    ({"SYMBOL(_stext)": f"{STEXT + SLIDE:x}"}, SLIDE),
    ({"SYMBOL(init_uts_ns)": f"{UTS - 0x1000:x}", "KERNELOFFSET": "5000"}, -0x1000)])
def test_where_the_kernel_is(known, said, bias):
    assert kernel_bias(known, said) == bias


@pytest.mark.parametrize("said, complaint", [({"KERNELOFFSET": "18800000"}, "neither of _stext, init_uts_ns"),
                                             ({"SYMBOL(_stext)": "\x1b"}, "an address that is none")])
def test_where_the_kernel_is_can_not_be_told(known, said, complaint):
    with pytest.raises(LayoutMismatch, match=complaint):
        kernel_bias(known, said)


def test_a_memory_without_answers(known):
    assert LayoutTarget(known, MemoryOnly(FakeTarget()), SLIDE).symbol("_stext") == STEXT + SLIDE
