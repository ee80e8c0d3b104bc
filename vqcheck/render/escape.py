"""Strings from snapshots, made safe for a terminal.

Names and file names come from memory that may be corrupt or hostile: an escape sequence could clear the screen or
retitle the window, a bidirectional override could show another text than is there.
"""


def escape(text: str) -> str:
    """The text with everything that is not plainly visible spelled out: control characters, bidirectional marks,
    zero-width and unassigned characters, lone surrogates, line separators, all blanks but the space."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _spelled_out(one) for one in text)


def shortened(text: str, limit: int = 200) -> str:
    """The text escaped, and cut in the middle where it is longer than any honest name."""
    safe = escape(text)
    if len(safe) <= limit:
        return safe
    half = (limit - 5) // 2
    return f"{safe[:half]} ... {safe[-half:]}"


def _spelled_out(one: str) -> str:
    code = ord(one)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
