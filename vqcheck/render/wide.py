"""Tables that fit the terminal, whatever is in them.

A column that is empty in all rows may be left out.  A table that is too wide is drawn in parts, each of which
begins with the columns that name the row; rows that have nothing in a further part are left out of it.
"""
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from .escape import escape, shortened
from .tables import table
from .words import WIDTH

CELL = 40
"""Characters of a cell at most."""

GAP = 2
"""Blanks between two columns."""


class _Column(NamedTuple):
    header: str
    cells: List[Any]

    @property
    def width(self) -> int:
        return max(len(text) for text in [*self.header.split("\n"), *map(str, self.cells)])


def fitting(rows: Sequence[Sequence[Any]], headers: Sequence[str], keys: int = 1, every: bool = False) -> str:
    """The rows as one table, or as several one below the other.

    keys: how many of the first columns name the row; they are always drawn.
    every: draw all other columns too, for tables in which people search by column.
    """
    columns = [_Column(header, [_cell(row[at]) for row in rows]) for at, header in enumerate(headers)]
    known = [column for at, column in enumerate(columns)
             if every or at < keys or not rows or any(cell is not None for cell in column.cells)]
    first, *more = _parts(known[:keys], known[keys:])
    drawn = [_draw(first, range(len(rows)))]
    for part in more:
        told = [at for at in range(len(rows)) if any(column.cells[at] is not None for column in part[keys:])]
        drawn.append(_draw(part, told))
    return "\n\n".join(drawn)


def _cell(value: Any) -> Any:
    if value is None or (type(value) is int and abs(value) < 10 ** (CELL - 1)):
        return value
    return shortened(str(value), CELL)


def _parts(keys: List[_Column], others: List[_Column]) -> List[List[_Column]]:
    parts, room = [list(keys)], _room(keys)
    for column in others:
        if room < column.width and len(parts[-1]) > len(keys):
            parts.append(list(keys))
            room = _room(keys)
        parts[-1].append(column)
        room -= column.width + GAP
    return parts


def _room(keys: List[_Column]) -> int:
    return WIDTH - sum(column.width + GAP for column in keys)


def _draw(columns: List[_Column], rows: Sequence[int]) -> str:
    return table([[column.cells[at] for column in columns] for at in rows], [column.header for column in columns])


def said_once(rows: Sequence[Sequence[Any]], headers: Sequence[str],
              names: Sequence[str]) -> Tuple[List[List[Any]], Dict[str, str]]:
    """The rows without the values of the named columns that are the same in all rows, and those values.

    A column emptied so is left out of the table; its value is for the line above it.
    """
    same: Dict[str, str] = {}
    left = [list(row) for row in rows]
    for name in names:
        at = headers.index(name)
        values = {row[at] for row in rows}
        if len(values) == 1 and None not in values:
            same[name] = escape(str(values.pop()))
            for row in left:
                row[at] = None
    return left, same
