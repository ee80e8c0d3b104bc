"""A made-up disk's block layer: request queue, hardware contexts, tags, requests, SCSI devices; synthetic.

Layouts by kernel release, with the members in which they differ.
"""
from typing import Dict, List, NamedTuple, Optional, Sequence

from tests.guest.made.declare import Types
from tests.guest.made.guest import PAGE, Guest
from vqcheck.target.bulk import Bulk
from vqcheck.target.view import View

SBITMAP = "struct sbitmap { u32 depth; u32 shift; u32 map_nr; ptr map; }\n"
SBITMAP_QUEUE = "struct sbitmap_queue { sbitmap sb; u32 wake_batch; u32 wake_index; ptr ws; u32 ws_active; }\n"
WORD_4_18 = "struct sbitmap_word { long word; long depth; char pad[48]; }\n"
WORD_5_10 = """struct sbitmap_word { long depth; char pad[56]; long word; char pad2[56]; long cleared;
    u32 swap_lock; }
"""
WORD = "struct sbitmap_word { long word; char pad[56]; long cleared; u32 swap_lock; }\n"
EMBEDDED = "sbitmap_queue bitmap_tags; sbitmap_queue breserved_tags;"
POINTERS = "ptr bitmap_tags; ptr breserved_tags; sbitmap_queue __bitmap_tags; sbitmap_queue __breserved_tags;"
TAGS = "struct blk_mq_tags {{ u32 nr_tags; u32 nr_reserved_tags; u32 active_queues; {} ptr rqs; ptr static_rqs; }}\n"
ELEVATOR = "struct elevator_type {{ ptr ops; {} elevator_name{}; }}\nstruct elevator_queue {{ ptr type; }}\n"
CONTEXT = """struct blk_mq_hw_ctx { u32 lock; list dispatch; long state; long flags; ptr queue; ptr tags;
    ptr sched_tags; u32 queue_num; u32 nr_active; }
"""
QUEUE = """struct request_queue {{ ptr queuedata; ptr elevator; ptr mq_ops; long queue_flags; u32 nr_hw_queues; {}
    {} u32 mq_freeze_depth; list requeue_list; }}
"""
REQUEST = """struct request {{ ptr q; u32 cmd_flags; u32 tag; u32 internal_tag; u32 __data_len; u64 __sector; ptr bio;
    list queuelist; u64 start_time_ns; u64 io_start_time_ns; u32 state; {} ptr end_io; ptr end_io_data; }}
"""
SCSI = """
struct Scsi_Host {{ list __devices; u32 host_blocked; u32 host_failed; u32 host_no; u32 shost_state;
    device shost_gendev; }}
struct scsi_device {{ ptr host; ptr request_queue; u32 id; u32 channel; u64 lun; device sdev_gendev; u32 sdev_state; }}
struct scsi_cmnd {{ {} ptr device; u16 cmd_len; {} u64 tail; }}
struct virtio_scsi_ctrl_tmf_req {{ u32 type; u32 subtype; u8 lun[8]; u64 tag; }}
union virtio_scsi_req {{ virtio_scsi_ctrl_tmf_req tmf; u8 cmd[51]; }}
struct virtio_scsi_cmd {{ ptr sc; ptr comp; virtio_scsi_req req; u64 tail; }}
"""
ARRAY, TABLE = "ptr queue_hw_ctx;", "xarray hctx_table;"
SCSI_5_10 = SCSI.format("ptr request;", "ptr cmnd;")
SCSI_NEW = SCSI.format("", "u8 cmnd[32];")

LAYOUTS: Dict[str, str] = {
    "4.18": SBITMAP + SBITMAP_QUEUE.replace("u32 ws_active;", "") + WORD_4_18 + TAGS.format(EMBEDDED)
    + ELEVATOR.format("char", "[16]") + CONTEXT + QUEUE.format(ARRAY, "") + REQUEST.format("u32 ref;") + SCSI_5_10,
    "5.10": SBITMAP + SBITMAP_QUEUE + WORD_5_10 + TAGS.format(POINTERS) + ELEVATOR.format("ptr", "") + CONTEXT
    + QUEUE.format(ARRAY, "") + REQUEST.format("u32 ref;") + SCSI_5_10,
    "6.1": SBITMAP + SBITMAP_QUEUE + WORD + TAGS.format(EMBEDDED) + ELEVATOR.format("ptr", "") + CONTEXT
    + QUEUE.format(TABLE, "u32 quiesce_depth;") + REQUEST.format("u32 ref;") + SCSI_NEW,
    "7.2": SBITMAP + SBITMAP_QUEUE + WORD + TAGS.format(EMBEDDED) + ELEVATOR.format("ptr", "") + CONTEXT
    + QUEUE.format(ARRAY, "u32 quiesce_depth;") + REQUEST.format("u32 ref;") + SCSI_NEW,
}
RELEASES = tuple(LAYOUTS)

NOW = 100_000_000_000
DEPTH, SHIFT = 72, 5
STRIDE = 0x300
"""From one request to the next, its driver's part included."""
IDLE, IN_FLIGHT, COMPLETE = 0, 1, 2
FREE = (1 << 32) - 1
"""No tag."""


class TagSet(NamedTuple):
    """Addresses of a set of tags."""

    tags: int
    rqs: int
    static_rqs: int
    pool: int
    bitmap: int
    reserved: int


def block_guest(release: str, byte_order: str = "little", pointer_size: int = 8) -> Guest:
    """A guest with the types of the block layer."""
    guest = Guest(release, byte_order, pointer_size)
    Types(guest).declare(guest.kernel.text(pointer_size) + LAYOUTS[release])
    return guest


class Disk:
    """A request queue with hardware contexts, each with tags of its own, or with `tags` of another disk."""

    def __init__(self, guest: Guest, contexts: int = 2, scheduler: Optional[str] = None, reserved: int = 0,
                 tags: Optional[Sequence[TagSet]] = None) -> None:
        self.guest = guest
        self.queue = guest.struct("request_queue", "request queue", mq_ops=0x1234, nr_hw_queues=contexts,
                                  queue_flags=0x1C4)
        guest.link(self.queue + guest.offset("request_queue", "requeue_list"), [])
        self.tags = list(tags or [tag_set(guest, reserved) for _ in range(contexts)])
        self.sched_tags = [tag_set(guest) for _ in range(contexts)] if scheduler else []
        self.contexts = [self._context(number) for number in range(contexts)]
        self._table()
        if scheduler:
            self._elevator(scheduler)

    def _context(self, number: int) -> int:
        guest = self.guest
        at = guest.struct("blk_mq_hw_ctx", f"hctx{number}", queue=self.queue, queue_num=number,
                          tags=self.tags[number].tags,
                          sched_tags=self.sched_tags[number].tags if self.sched_tags else 0)
        guest.link(at + guest.offset("blk_mq_hw_ctx", "dispatch"), [])
        return at

    def _table(self) -> None:
        guest = self.guest
        pointers = b"".join(map(guest.pointer, self.contexts))
        if guest.member("struct request_queue", "hctx_table") is None:
            guest.set("request_queue", self.queue, queue_hw_ctx=guest.new("queue_hw_ctx", pointers))
        elif len(self.contexts) == 1:
            guest.set("request_queue", self.queue, hctx_table__xa_head=self.contexts[0])
        else:
            node = guest.struct("xa_node", "hctx_table")
            guest.poke(node + guest.offset("xa_node", "slots"), pointers)
            guest.set("request_queue", self.queue, hctx_table__xa_head=node + 2)

    def _elevator(self, name: str) -> None:
        guest = self.guest
        inline = guest.member_of("struct elevator_type", "elevator_name").size != guest.pointer_size
        kind = guest.struct("elevator_type", "scheduler", elevator_name=name.encode() if inline else name)
        guest.set("request_queue", self.queue, elevator=guest.struct("elevator_queue", "elevator", type=kind))

    def view(self) -> View:
        """The request queue as the walker has it."""
        return View(Bulk(self.guest), "struct request_queue", self.queue)

    def busy(self, context: int, tag: int, state: int = IN_FLIGHT, noted: bool = True, **values: int) -> int:
        """A request that holds a driver's tag and lies under it; `noted` in rqs[] as well."""
        found = self.tags[context]
        at = self._request(found, tag, tag, FREE, state, values)
        if noted:
            self.guest.poke(found.rqs + self.guest.pointer_size * tag, self.guest.pointer(at))
        set_bit(self.guest, found, tag)
        return at

    def scheduled(self, context: int, internal: int, tag: Optional[int] = None, state: int = IDLE,
                  **values: int) -> int:
        """A request that holds a scheduler's tag, and a driver's one if that is given."""
        at = self._request(self.sched_tags[context], internal, FREE if tag is None else tag, internal, state, values)
        set_bit(self.guest, self.sched_tags[context], internal)
        if tag is not None:
            own = self.tags[context]
            self.guest.poke(own.rqs + self.guest.pointer_size * tag, self.guest.pointer(at))
            set_bit(self.guest, own, tag)
        return at

    def _request(self, found: TagSet, place: int, tag: int, internal: int, state: int, values: Dict[str, int]) -> int:
        at = found.pool + STRIDE * place
        self.guest.set("request", at, **{
            "q": self.queue, "tag": tag, "internal_tag": internal, "state": state, "ref": 1, "cmd_flags": 1,
            "__data_len": 4096, "__sector": 8 * place, "start_time_ns": NOW - 1_000_000 * (place + 1), **values})
        return at


def tag_set(guest: Guest, reserved: int = 0) -> TagSet:
    """A struct blk_mq_tags with DEPTH tags and reserved ones before them, none in use, each with a request."""
    count = reserved + DEPTH
    pool = guest.new("requests", bytes(STRIDE * count + PAGE))
    rqs = guest.new("rqs", bytes(guest.pointer_size * count))
    static = guest.new("static_rqs", b"".join(guest.pointer(pool + STRIDE * tag) for tag in range(count)))
    tags = guest.struct("blk_mq_tags", "tags", nr_tags=count, nr_reserved_tags=reserved, rqs=rqs, static_rqs=static)
    maps: List[int] = []
    for path, depth in (("bitmap_tags", DEPTH), ("breserved_tags", reserved)):
        words = -(-depth >> SHIFT)
        maps.append(guest.new(path, bytes(guest.size_of("struct sbitmap_word") * words)) if words else 0)
        inner = path
        if guest.member("struct blk_mq_tags", "__" + path) is not None:
            inner = "__" + path
            guest.set("blk_mq_tags", tags, **{path: tags + guest.offset("blk_mq_tags", inner)})
        values = {f"{inner}.sb.depth": depth, f"{inner}.sb.shift": SHIFT, f"{inner}.sb.map_nr": words,
                  f"{inner}.sb.map": maps[-1]}
        guest.set("blk_mq_tags", tags, **values)
    return TagSet(tags, rqs, static, pool, maps[0], maps[1])


def set_bit(guest: Guest, found: TagSet, tag: int, member: str = "word", reserved: int = 0) -> None:
    """Set the bit of a tag in its bitmap's words or in their `cleared`; tags below `reserved` are reserved ones."""
    start, bit = (found.reserved, tag) if tag < reserved else (found.bitmap, tag - reserved)
    size = guest.size_of("struct sbitmap_word")
    at = start + size * (bit >> SHIFT) + guest.offset("sbitmap_word", member)
    word = guest.read_uint(at, guest.pointer_size) | 1 << (bit & (1 << SHIFT) - 1)
    guest.poke(at, guest.pointer(word))
