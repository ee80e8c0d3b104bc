"""Text made safe for HTML and SVG."""
import html
import re
from typing import Sequence

from ..escape import shortened

LIMIT = 2000
"""Characters of a text at most: a hostile snapshot could bring megabytes."""


def safe(value: object) -> str:
    """Any value as text of a page: markup, control characters and bidirectional marks spelled out."""
    return html.escape(shortened(str(value), LIMIT))


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], kind: str = "") -> str:
    """A table; None is drawn as a dash."""
    head = "".join(f"<th>{safe(one)}</th>" for one in headers)
    body = "".join("<tr>" + "".join(f"<td>{'-' if one is None else safe(one)}</td>" for one in row) + "</tr>"
                   for row in rows)
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def bullets(items: Sequence[str], tag: str = "ul") -> str:
    """A list."""
    return f"<{tag}>" + "".join(f"<li>{_marked(safe(one))}</li>" for one in items) + f"</{tag}>" if items else ""


def _marked(text: str) -> str:
    """What stands between backticks, of a text that is safe already, as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", text)
