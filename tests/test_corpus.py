"""The corpus: what the checker must say of every pair, recorded and synthetic; `make corpus` prints the table."""
import pathlib

import pytest

from tests import corpus
from tests.corpus.cases import said, verdict_of
from tests.corpus.measure import confusion, measure, page, scores
from vqcheck.check.rules.catalogue import RULES

ENTRIES = corpus.everything()
PAGE = pathlib.Path(__file__).parents[1] / "docs" / "corpus.md"


@pytest.mark.parametrize("entry", ENTRIES, ids=[one.name for one in ENTRIES])
def test_every_entry_is_judged_right(entry):
    verdict = verdict_of(entry)
    assert (verdict.status, tuple(said(verdict))) == (entry.status, entry.rules)


def test_every_rule_is_in_the_corpus_and_precision_and_recall_are_one():
    outcomes = measure(ENTRIES)
    for score in scores(outcomes):
        assert score.right, f"no entry of the corpus is about {score.rule}"
        assert (score.precision, score.recall) == (1, 1), score.rule
    assert all(given == expected or not number for (expected, given), number in confusion(outcomes).items())


def test_the_documentation_has_the_table_of_now():
    assert PAGE.read_text(encoding="utf-8") == page(measure(ENTRIES))


def test_names_are_unique():
    names = [one.name for one in ENTRIES]
    assert len(set(names)) == len(names) and len(RULES) == len({rule.id for rule in RULES})
