"""The rules as a catalogue: whole, consistent, and documented from the same source."""
import pathlib
import re
from typing import get_type_hints

import pytest

from vqcheck.check.case import Case
from vqcheck.check.records import ROOTS
from vqcheck.check.rule import SEVERITIES, STAGES
from vqcheck.check.rules.catalogue import BY_NAME, RULES
from vqcheck.check.rules.elsewhere import ENTRIES
from vqcheck.render.report import rule_pages, rule_text
from vqcheck.snapshot.model import Device, Queue, Snapshot

PAGES = pathlib.Path(__file__).parents[2] / "docs" / "rules"
HOLDERS = {"guest_queue": Queue, "host_queue": Queue, "guest_device": Device, "host_device": Device,
           "guest_snapshot": Snapshot, "host_snapshot": Snapshot}
FAMILIES = {"K": 15, "I": 21, "B": 10, "G": 11, "C": 18, "M": 7, "S": 6}


def numbered(letter, last, first=1):
    return {f"{letter}{number}" for number in range(first, last + 1)}


def test_every_entry_of_the_taxonomy_is_a_rule_or_is_said_to_be_covered_elsewhere():
    wanted = set().union(*(numbered(letter, last) for letter, last in FAMILIES.items()), numbered("V", 7, 0))
    rules, others = {rule.id for rule in RULES}, {one.id for one in ENTRIES}
    assert wanted <= rules | others and not rules & others
    assert rules - wanted == {"I0", "B0", "B2b", "G12"}  # what is general in a family, and cases of their own
    assert len(ENTRIES) == len(others)


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_a_rule_says_all_of_itself(rule):
    assert re.fullmatch(r"[A-Z]\d+b?", rule.id) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.slug)
    assert rule.severity in SEVERITIES and rule.stage in STAGES
    assert rule.title[0].isupper() or "_" in rule.title.split()[0] or "->" in rule.title.split()[0] or \
        rule.title.startswith(("inuse", "vhost"))
    for text in (rule.title, rule.holds_when, rule.blame):
        assert text and not text.endswith(".")
    assert len(rule.explanation) > 60 and rule.confirm
    assert set(rule.explains) <= {other.id for other in RULES} - {rule.id}


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_what_a_rule_needs_is_there_to_be_needed(rule):
    for need in rule.needs:
        if "." not in need and hasattr(Case, need):
            assert not rule_text.need(need).endswith(":"), need
            continue
        names = need.split(".")
        if names[0] in ROOTS:
            kind = HOLDERS[ROOTS[names[0]][0]]
        else:
            kind, names = HOLDERS[names[0]], names[1:]
        for name in names:
            assert name in kind._fields, f"{need}: {kind.__name__} has no {name}"
            hint = get_type_hints(kind)[name]
            inner = [one for one in getattr(hint, "__args__", (hint,)) if one is not type(None)]
            kind = inner[0]


def test_ids_and_names_lead_to_their_rule():
    assert len(BY_NAME) == 2 * len(RULES)
    for one in ENTRIES:
        assert set(one.covered_by) <= set(BY_NAME) and one.evidence


def test_no_message_prints_a_kernel_version_as_the_source_of_a_fix():
    for rule in RULES:
        for reference in rule.references:
            assert not re.search(r"Linux \d+\.\d+", reference), (rule.id, reference)


def test_the_pages_are_made_from_the_rules():
    made = rule_pages.pages()
    assert {path.name for path in PAGES.glob("*.md")} == set(made)
    for name, text in made.items():
        assert (PAGES / name).read_text(encoding="utf-8") == text, "make them again: vqcheck.render.report.rule_pages"


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_a_manual_page_fits_the_terminal(rule):
    text = rule_text.page(rule)
    assert text.startswith(f"{rule.id}  {rule.slug}") and max(map(len, text.splitlines())) <= 100
    assert all(word in text for word in ("WHAT", "WHO", "WHEN", "JUDGED"))


def test_the_list_names_every_rule():
    text = rule_text.every()
    assert all(f"\n{rule.id} " in text and rule.slug in text for rule in RULES)
