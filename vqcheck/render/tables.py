"""Tables as text.

tabulate pads the columns wherever it can be imported.  PyKdump's Python lacks modules that tabulate needs, so a few
lines here do the same; both ways give the same text.
"""
from typing import Any, Callable, List, Sequence, Tuple

from .escape import shortened

_tabulate: Any = None
try:
    from tabulate import tabulate

    _tabulate = tabulate
except Exception:  # a module that tabulate imports may be missing, or be older or newer than it expects
    pass

ABSENT = "-"
"""What stands for a value that is not known."""

Line = List[str]


def table(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> str:
    """Aligned columns under their headers, without trailing blanks or a final newline.

    A header may have several lines.  None is drawn as a dash.  Columns of numbers are aligned to the right.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    right = [_is_numeric([row[column] for row in rows]) for column in range(len(headers))]
    lines = _header_lines(headers)
    lines.append(["-" * max(len(line[column]) for line in lines + cells) for column in range(len(headers))])
    draw = _by_hand if _tabulate is None else _by_tabulate
    return "\n".join(line.rstrip() for line in draw(lines + cells, right))


def _cell(value: Any) -> str:
    return ABSENT if value is None else shortened(str(value)).strip() or ABSENT  # tabulate strips, so both ways do


def _is_numeric(values: Sequence[Any]) -> bool:
    return bool(values) and all(value is None or type(value) is int for value in values)


def _header_lines(headers: Sequence[str]) -> List[Line]:
    columns = [header.split("\n") for header in headers]
    height = max((len(column) for column in columns), default=1)
    return [[column[at] if at < len(column) else "" for column in columns] for at in range(height)]


def _by_hand(lines: Sequence[Line], right: Sequence[bool]) -> List[str]:
    widths = [max(map(len, column)) for column in zip(*lines)]
    pad: Tuple[Callable[[str, int], str], Callable[[str, int], str]] = (str.ljust, str.rjust)
    return ["  ".join(pad[to_the_right](cell, width) for cell, width, to_the_right in zip(line, widths, right))
            for line in lines]


def _by_tabulate(lines: Sequence[Line], right: Sequence[bool]) -> List[str]:
    drawn: str = _tabulate(lines, tablefmt="plain", disable_numparse=True,
                           colalign=["right" if one else "left" for one in right])
    return drawn.split("\n")
