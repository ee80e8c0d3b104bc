"""Any snapshot of a guest that the schema allows is drawn: within the width, harmless, and the same both ways."""
import random
import string

import pytest

from vqcheck.render import guest_text, tables
from vqcheck.render.words import WIDTH
from vqcheck.snapshot import model
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.shape import RANGES, element_kind, fields, is_reasons, is_record
from vqcheck.virtio.devices import TYPES, queue_role

WORDS = ["rx", "tx", "in_flight", "complete", "running", "packed", "split", "none", "0-3", "virtblk_done", "x" * 150,
         "a b " * 60, "\x1b[2J", "\n", "\u202e", "", " ", "磁盘", string.printable]

HOST_ONLY = {"device", "host", "notify", "available", "threads"}
"""Fields of the host's side, which other text draws."""


class Maker:
    """Makes records of every kind from a seed: small numbers and extreme ones, absent fields and hostile strings."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._absent = self._random.choice([0.0, 0.1, 0.5])
        self._many = self._random.choice([1, 3, 6])

    def value(self, kind):
        choose = self._random.choice
        if kind is bool:
            return choose([False, True])
        if kind is str:
            return choose(WORDS)
        if kind is Hex:
            return Hex(choose([0, 1, 0x80, 0x8080, self._random.getrandbits(16), self._random.getrandbits(64)]))
        if kind in RANGES:
            low, high = RANGES[kind]
            return choose([max(low, -1), 0, 1, 2, self._random.randint(0, 255), self._random.randint(low, high), high])
        if is_reasons(kind):
            return {choose(WORDS): choose(WORDS) for _ in range(choose([0, 0, 2]))}
        if element_kind(kind) is not None:
            return [self.value(element_kind(kind)) for _ in range(self._random.randint(0, self._many))]
        return self.record(kind)

    def record(self, kind):
        assert is_record(kind)
        made = {field.name: self._random.choice(field.allowed) if field.allowed else self.value(field.kind)
                for field in fields(kind) if field.name not in HOST_ONLY
                and not (field.optional and self._random.random() < self._absent)}
        return self._telling(kind(**{**{field.name: None for field in fields(kind) if field.required}, **made}))

    def _telling(self, record):
        """Words on which the text depends, more often than chance would have them."""
        if isinstance(record, model.Device):
            return record._replace(device_id=self._random.choice(sorted(TYPES)))
        if isinstance(record, model.Queue):
            role = queue_role(self._random.choice(sorted(TYPES)), self._random.randint(0, 5), 5, 0)
            return record._replace(role=role, layout=self._random.choice(["split", "packed", None]))
        return record


def snapshot(seed):
    return Maker(seed).record(model.Snapshot)._replace(side=model.GUEST)


@pytest.mark.parametrize("detail", [False, True])
@pytest.mark.parametrize("seed", range(150))
def test_any_snapshot(seed, detail, monkeypatch):
    made = snapshot(seed)
    text = guest_text.show(made, detail)
    for line in text.split("\n"):
        assert line.isprintable()
        assert len(line) <= WIDTH or max(map(len, line.split())) > WIDTH - 20, line  # one word that can't be broken
    monkeypatch.setattr(tables, "_tabulate", None)
    assert guest_text.show(made, detail) == text


def test_the_snapshots_reach_into_every_corner():
    text = "".join(guest_text.show(snapshot(seed), True) for seed in range(150))
    for words in ("in flight", "not consumed", "contradict", "is corrupt", "owed an interrupt", "NAPI", "is quiesced",
                  "SCSI host", "is masked", "descriptors from", "wait in the block layer", "free list"):
        assert words in text, words
