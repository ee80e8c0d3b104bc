"""drgn, which some verbs need and which need not be there."""
import contextlib
from typing import Iterator

from .verb import Failed

PACKAGE = "vqcheck[drgn]"


@contextlib.contextmanager
def needs_drgn(otherwise: str = "") -> Iterator[None]:
    """Around imports of what imports drgn: raises Failed, which says what to install, or to do `otherwise`."""
    try:
        yield
    except ImportError as problem:
        if problem.name != "drgn":
            raise Failed(f"drgn does not work here: {problem}: pip install --upgrade '{PACKAGE}'")
        raise Failed(f"drgn is not installed: pip install '{PACKAGE}'{otherwise}")
