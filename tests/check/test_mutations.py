"""A single field of a healthy pair is changed: the checker notices, or the field is documented to have no bearing."""
import pathlib

import pytest

from . import no_bearing

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "no-bearing.md"


@pytest.fixture(scope="module")
def fields():
    return no_bearing.by_field()


def test_what_no_pair_notices_is_documented(fields):
    silent = {path for path, noticed in fields.items() if not any(noticed)}
    assert {path for path in silent if not no_bearing.reason(path)} == set()


def test_what_is_documented_is_not_noticed(fields):
    named = [name for _, names in no_bearing.REASONS for name in names]
    covered = {name: [any(noticed) for path, noticed in fields.items() if path == name or path.startswith(name + ".")]
               for name in named}
    assert [name for name, noticed in covered.items() if not noticed] == [], "no such field in the healthy pairs"
    assert [name for name, noticed in covered.items() if noticed and all(noticed)] == []


def test_indexes_rings_and_states_are_always_noticed_on_an_idle_queue(fields):
    for path in ("guest: devices.queues.rings.desc", "guest: devices.queues.size", "guest: devices.features.negotiated",
                 "guest: devices.queues.driver.broken", "host: devices.host.broken", "host: devices.host.run_state",
                 "host: devices.status", "guest: devices.queues.driver.avail_idx_shadow",
                 "guest: devices.queues.ring.used_idx", "guest: devices.queues.queue_index"):
        assert all(fields[path]), path


def test_the_page_is_that_of_now():
    assert PAGE.read_text(encoding="utf-8") == no_bearing.page()
