"""Tags of the block layer: how many are in use, and by which requests.

Source: Linux block/blk-mq-tag.c, block/blk-mq.h (struct blk_mq_tags), include/linux/sbitmap.h, lib/sbitmap.c.
"""
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from ..snapshot.kernel_model import Tags
from ..target.absence import Absences
from ..target.bulk import Bulk
from ..target.errors import Corrupt, TargetError, Unreadable
from ..target.view import View
from .block_requests import IN_FLIGHT

MAX_TAGS = 10240
"""BLK_MQ_MAX_DEPTH of include/linux/blk-mq.h."""


class TagSet(NamedTuple):
    """A set of tags, and who holds them."""

    tags: Tags
    requests: List[View]
    """Requests that hold a tag."""
    why_not_all: Optional[str] = None
    """Why some may be missing."""


def read(target: Bulk, address: int, scheduler: bool) -> TagSet:
    """The driver's tags (hctx->tags) or the scheduler's (hctx->sched_tags) at an address.  Raises TargetError."""
    view = View(target, "struct blk_mq_tags", address)
    absent = Absences()
    tags = Tags(reserved=absent.take("reserved", view.uint, "nr_reserved_tags"))
    try:
        bitmaps = _bitmaps(target, view)
    except TargetError as problem:
        absent.update((field, str(problem)) for field in ("depth", "in_use", "started", "waiters"))
        return TagSet(tags._replace(absent=dict(absent)), [], str(problem))
    in_use = [one.first + bit for one in bitmaps for bit in one.bits]
    try:
        requests, why_not_all = _holders(target, view, in_use, "internal_tag" if scheduler else "tag")
    except TargetError as problem:
        requests, why_not_all = [], str(problem)
    if why_not_all is not None:
        absent["started"] = why_not_all
    tags = tags._replace(
        depth=sum(one.depth for one in bitmaps),
        in_use=len(in_use),
        started=absent.take("started", _started, requests) if why_not_all is None else None,
        # Linux 5.0 began to count them (5d2ee7122c73 "sbitmap: optimize wakeup check").
        waiters=absent.take("waiters", _waiters, bitmaps),
    )
    return TagSet(tags._replace(absent=dict(absent)), requests, why_not_all)


class _Bitmap(NamedTuple):
    view: View
    """Its struct sbitmap_queue."""
    depth: int
    first: int
    """The tag that bit 0 stands for."""
    bits: List[int]


def _bitmaps(target: Bulk, view: View) -> List[_Bitmap]:
    """The bitmap of reserved tags, where there are any, and that of all others, whose tags follow on those."""
    found: List[_Bitmap] = []
    reserved = view.uint("nr_reserved_tags")
    if reserved > MAX_TAGS:
        raise Corrupt(f"{reserved} reserved tags are claimed")
    if reserved:
        found.append(_bitmap(target, view, "breserved_tags", 0))
    found.append(_bitmap(target, view, "bitmap_tags", reserved))
    return found


def _bitmap(target: Bulk, view: View, path: str, first: int) -> _Bitmap:
    # A pointer in Linux 5.10 to 5.15, as hardware queues could share a bitmap, not yet all of blk_mq_tags; embedded
    # before and since.
    if target.member_of("struct blk_mq_tags", path).size == target.pointer_size:
        queue = view.follow("struct sbitmap_queue", path)
    else:
        queue = view.embedded("struct sbitmap_queue", path)
    bits = queue.embedded("struct sbitmap", "sb")
    return _Bitmap(queue, bits.uint("depth"), first, set_bits(target, bits))


def set_bits(target: Bulk, bitmap: View) -> List[int]:
    """The bits of a struct sbitmap that are in use, lowest first.  Raises Corrupt and other TargetErrors."""
    depth, shift, words = bitmap.uint("depth"), bitmap.uint("shift"), bitmap.uint("map_nr")
    if depth > MAX_TAGS or 1 << min(shift, 64) > 8 * target.pointer_size or words != -(-depth >> shift):
        raise Corrupt(f"a bitmap of {depth} tags claims {words} words of 2^{shift} bits")
    if depth == 0:
        return []
    size = target.size_of("struct sbitmap_word")
    word = target.member_of("struct sbitmap_word", "word")
    # Bits that are free again and only not yet cleared: Linux 5.0 (ea86ea2cdced "sbitmap: ammortize cost of clearing
    # bits").
    cleared = target.member("struct sbitmap_word", "cleared")
    raw = target.read(bitmap.pointer("map"), size * words)
    found: List[int] = []
    for number in range(words):
        one = raw[number * size:(number + 1) * size]
        value = target.decode_uint(one[word.offset:word.offset + word.size])
        if cleared is not None:
            value &= ~target.decode_uint(one[cleared.offset:cleared.offset + cleared.size])
        start = number << shift
        found += [start + bit for bit in range(min(1 << shift, depth - start)) if value >> bit & 1]
    return found


def _waiters(bitmaps: Iterable[_Bitmap]) -> int:
    return sum(one.view.uint("ws_active") for one in bitmaps)


def _started(requests: Iterable[View]) -> int:
    return sum(one.uint("state") == IN_FLIGHT for one in requests)


def _holders(target: Bulk, view: View, in_use: List[int], field: str) -> Tuple[List[View], Optional[str]]:
    """The requests that hold tags, and why some may be missing.

    A driver's tag that a scheduler's request was given leads to it by rqs[]; without a scheduler the request under a
    tag lies in static_rqs[], and is noted in rqs[] at the latest when it goes to the driver.  A scheduler's tag stands
    for its place in static_rqs[] (blk_mq_rq_ctx_init(), blk_mq_get_driver_tag()).  Freed requests keep their tag, and
    rqs[] keeps freed requests: so one counts only if it names the tag itself and has a reference.
    """
    found: Dict[int, View] = {}
    unread: Dict[int, str] = {}
    for array in ("static_rqs",) if field == "internal_tag" else ("rqs", "static_rqs"):
        left = [tag for tag in in_use if tag not in found]
        pointers = _pointers(target, view, array, left)
        target.load(pointers, target.size_of("struct request"))
        for tag, pointer in zip(left, pointers):
            if pointer == 0:
                continue
            request = View(target, "struct request", pointer)
            try:
                if _holds(request, field, tag):
                    found[tag] = request
            except Unreadable as problem:
                unread[tag] = str(problem)
    return list(found.values()), next((why for tag, why in unread.items() if tag not in found), None)


def _holds(request: View, field: str, tag: int) -> bool:
    # Linux 4.18 began to count references (12f5b9314545 "blk-mq: Remove generation seqeunce").
    return request.sint(field) == tag and (not request.has("ref") or request.uint("ref") != 0)


def _pointers(target: Bulk, view: View, array: str, tags: List[int]) -> List[int]:
    """What an array of pointers has for each of some tags in ascending order."""
    start = view.pointer(array)
    if start == 0 or not tags:
        return [0] * len(tags)
    every = target.decode_pointers(target.read(start, target.pointer_size * (tags[-1] + 1)))
    return [every[tag] for tag in tags]
