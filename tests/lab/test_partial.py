"""Dumps that hold only a part of the guest's memory: what is missing is absent with its reason, and never zeros."""
import json
import pathlib
import shutil
import tempfile
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

import pytest

from vqcheck.virtio import split

from . import partial, sides
from .scenes import make

pytestmark = pytest.mark.lab

ZEROS = "--zero_excluded"
"""Has crash itself read zeros where pages are missing; it is not to have a say in what vqstate sees."""

RING_FIELDS = ("ring", "used")


class Whole(NamedTuple):
    """A dump with a hang in it, and what is seen in the whole of it."""

    directory: pathlib.Path
    vmcore: pathlib.Path
    seen: Dict[str, Any]

    @property
    def queue(self) -> Dict[str, Any]:
        return dict(self.seen["devices"][0]["queues"][0])

    @property
    def ring(self) -> int:
        """Guest-physical address of the page that the available and the used ring lie in."""
        start = int(self.queue["rings"]["avail"], 16)
        end = int(self.queue["rings"]["used"], 16) + split.used_bytes(self.queue["size"])
        assert start // partial.PAGE == (end - 1) // partial.PAGE, "a ring of 256 entries has room in one page"
        return start // partial.PAGE * partial.PAGE


def seen_in(directory: pathlib.Path, dump: pathlib.Path, options: Sequence[str] = ()) -> Dict[str, Any]:
    """The disk as vqstate sees it in a dump."""
    file = directory / f"{dump.name}.json"
    file.unlink(missing_ok=True)
    output = sides.crash(directory, dump, [f"vqstate vdb -o {file}"], options=options)
    assert file.exists(), output
    seen: Dict[str, Any] = json.loads(file.read_text())
    return seen


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    vmcore = make("lost-interrupt", directory).capture.vmcore
    yield Whole(directory, vmcore, seen_in(directory, vmcore))
    shutil.rmtree(directory)


def differences(partly: Any, whole: Any, path: str = "") -> List[str]:
    """Values that are in both and not the same.  A value that is missing, with its reason, is no difference."""
    if isinstance(whole, dict):
        absent = set(partly.get("absent", {}))
        found = [f"{path}.{name} is missing without a reason" for name in whole
                 if whole[name] is not None and partly.get(name) is None and name not in absent]
        return found + [one for name in whole if partly.get(name) is not None and name != "absent"
                        for one in differences(partly[name], whole[name], f"{path}.{name}")]
    if isinstance(whole, list) and len(partly) == len(whole):
        return [one for at, (mine, theirs) in enumerate(zip(partly, whole))
                for one in differences(mine, theirs, f"{path}[{at}]")]
    return [] if partly == whole else [f"{path}: {partly!r} instead of {whole!r}"]


def must_lack_only_the_ring(partly: Dict[str, Any], whole: Whole) -> None:
    assert differences(partly["devices"], whole.seen["devices"]) == []
    queue = partly["devices"][0]["queues"][0]
    for field in RING_FIELDS:
        assert queue.get(field) is None and "left out of the dump" in queue["absent"][field]
    assert whole.queue["ring"]["used_idx"] and queue["driver"] == whole.queue["driver"]
    assert len(queue["in_flight"]) == len(whole.queue["in_flight"]) > 0


@pytest.mark.parametrize("options", [("-c", "-d", "31"), ("-E", "-d", "31")])
def test_makedumpfile_leaves_all_that_matters(whole: Whole, options: Sequence[str]) -> None:
    dump = partial.filtered(whole.vmcore, whole.directory / "filtered", *options)
    assert dump.stat().st_size < whole.vmcore.stat().st_size / 2
    partly = seen_in(whole.directory, dump)
    dump.unlink()
    assert partly["devices"] == whole.seen["devices"]


def test_a_page_that_a_kdump_lacks(whole: Whole) -> None:
    complete = partial.filtered(whole.vmcore, whole.directory / "kdump", "-c", "-d", "0")
    for make_partial in (partial.kdump_without, partial.kdump_unfinished):
        dump = make_partial(complete, whole.directory / "partial", whole.ring // partial.PAGE)
        must_lack_only_the_ring(seen_in(whole.directory, dump, [ZEROS]), whole)
        dump.unlink()
    complete.unlink()


def test_a_page_that_an_elf_dump_describes_and_does_not_hold(whole: Whole) -> None:
    dump = partial.elf_without(whole.vmcore, whole.directory / "partial", whole.ring, partial.PAGE)
    must_lack_only_the_ring(seen_in(whole.directory, dump), whole)
    dump.unlink()


def test_a_page_that_was_cut_off(whole: Whole) -> None:
    dump = partial.elf_cut_off(whole.vmcore, whole.directory / "partial", whole.ring, partial.PAGE)
    must_lack_only_the_ring(seen_in(whole.directory, dump, [ZEROS]), whole)
    dump.unlink()


def test_a_dump_of_which_crash_needs_more_is_refused_by_crash_itself(whole: Whole) -> None:
    """Page tables and per-CPU data lie at the top of memory, which is the end of the file."""
    dump = whole.directory / "half"
    dump.write_bytes(whole.vmcore.read_bytes()[:whole.vmcore.stat().st_size // 2])
    with pytest.raises(RuntimeError, match="may be truncated or incomplete"):
        sides.crash(whole.directory, dump, ["vqstate vdb"])
    dump.unlink()
