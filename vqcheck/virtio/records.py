"""Tables of small records in memory, of which most are never looked at."""
import struct
from typing import Any, Callable, Iterator, Sequence, TypeVar, Union, overload

Record = TypeVar("Record")


class Records(Sequence[Record]):
    """Records of one layout, one behind the other; each is decoded when it is asked for.

    An incomplete one at the end is ignored.
    """

    def __init__(self, kind: Callable[..., Record], layout: str, raw: bytes) -> None:
        """`layout` describes one record in the terms of the module struct."""
        self._kind = kind
        self._layout = struct.Struct(layout)
        self._raw = raw
        self._count = len(raw) // self._layout.size

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[Record, Sequence[Record]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(f"record {index} of {self._count}")
        return self._kind(*self._layout.unpack_from(self._raw, index * self._layout.size))

    def __iter__(self) -> Iterator[Record]:
        whole = self._raw[:self._count * self._layout.size]
        return (self._kind(*fields) for fields in self._layout.iter_unpack(whole))

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)})"
