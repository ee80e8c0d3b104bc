"""The demo, the examples and README's transcripts are what the tool says of the recordings today."""
import pytest

from tests.regenerate import ROOT, made

FILES = made()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_made_files_are_current(path):
    assert path.read_bytes() == FILES[path], "run `python3 -m tests.regenerate`, and read what changed"
