"""drgn, which some verbs need and which need not be there."""
import contextlib
from typing import Iterator

from .verb import Failed

PACKAGE = "vqcheck[drgn]"


@contextlib.contextmanager
def needs_drgn() -> Iterator[None]:
    """Around imports of what imports drgn: raises Failed, which says what to install."""
    try:
        yield
    except ImportError as problem:
        if problem.name != "drgn":
            raise Failed(f"drgn does not work here: {problem}: pip install --upgrade '{PACKAGE}'")
        raise Failed(f"drgn is not installed: pip install '{PACKAGE}'")
