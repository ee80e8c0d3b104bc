"""Tables of records that are decoded when they are looked at."""
import struct
from typing import NamedTuple

import pytest

from vqcheck.virtio.records import Records


class Pair(NamedTuple):
    id: int
    len: int


WHOLE = [Pair(1, 10), Pair(2, 20), Pair(3, 30)]
RAW = b"".join(struct.pack(">HI", *one) for one in WHOLE)


@pytest.mark.parametrize("rest", [b"", b"\1", b"\1\2\3\4\5"])
def test_an_incomplete_record_at_the_end_is_ignored(rest):
    records = Records(Pair, ">HI", RAW + rest)
    assert (len(records), list(records), records) == (3, WHOLE, WHOLE)
    assert records[2] == WHOLE[2]
    assert records[1:] == WHOLE[1:]


@pytest.mark.parametrize("index", [-1, 3, 1 << 40])
def test_there_is_nothing_before_and_behind_it(index):
    with pytest.raises(IndexError):
        Records(Pair, ">HI", RAW)[index]


def test_it_differs_from_others():
    records = Records(Pair, ">HI", RAW)
    assert records != WHOLE[:2]
    assert records != tuple(WHOLE[:1])
    assert records != 3
    assert repr(records) == f"Records({WHOLE})"


def test_only_what_is_looked_at_is_decoded():
    made = []

    def kind(*fields):
        made.append(fields)
        return Pair(*fields)
    assert Records(kind, ">HI", RAW)[1] == WHOLE[1]
    assert made == [tuple(WHOLE[1])]
