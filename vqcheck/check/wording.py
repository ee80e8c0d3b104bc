"""Requests and numbers in words."""
from ..snapshot.request_model import Request
from .history import NS


def count(number: int, what: str) -> str:
    """`1 request`, `4 requests`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def of_them(number: int) -> str:
    """`1 of them is`, `4 of them are`."""
    return f"{number} of them {'is' if number == 1 else 'are'}"


def entry(number: int) -> str:
    """`1 entry`, `4 entries`."""
    return "1 entry" if number == 1 else f"{number} entries"


def request(one: Request) -> str:
    """A request for a sentence: `write of 4096 bytes at sector 16424, tag 218, 3.8 s old`."""
    words = [one.operation or "request"]
    if one.bytes is not None:
        words[0] += f" of {one.bytes} bytes"
    if one.sector is not None:
        words[0] += f" at sector {one.sector}"
    if one.tag is not None:
        words.append(f"tag {one.tag}")
    if one.age_ns is not None:
        words.append(f"{one.age_ns / NS:.1f} s old")
    return ", ".join(words)
