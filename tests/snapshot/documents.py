"""Snapshots as JSON documents, and ways to reach and change single members of them."""
import copy
import json

from tests.builders import incident, pair
from vqcheck.snapshot.model import Observation
from vqcheck.snapshot.write import to_json


def snapshots():
    """Valid snapshots that between them fill every field."""
    guest, host = incident()
    seen = guest._replace(capture=guest.capture._replace(observation=Observation(True, "fio does not move")))
    busy_guest, busy_host = pair(avail=8, popped=6, used=4, last_used=2)
    return [guest, host, seen, busy_guest, busy_host]


def plain(snapshot):
    """A snapshot as what `json.loads` makes of its text."""
    return json.loads(to_json(snapshot))


def places(document, at=()):
    """The path of every member and item of a document, itself excepted."""
    inside = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    for key in inside:
        yield (*at, key)
        yield from places(document[key], (*at, key))


def changed(document, place, value):
    """A copy with another value at a place."""
    made = copy.deepcopy(document)
    _holder(made, place)[place[-1]] = value
    return made


def without(document, place):
    """A copy that lacks one member or item."""
    made = copy.deepcopy(document)
    del _holder(made, place)[place[-1]]
    return made


def _holder(document, place):
    for key in place[:-1]:
        document = document[key]
    return document
