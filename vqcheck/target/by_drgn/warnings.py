"""What drgn warns of, kept from standard error, where nobody who asked for a snapshot looks for it."""
import contextlib
import logging
from typing import Iterator, List


@contextlib.contextmanager
def heard() -> Iterator[List[str]]:
    """Gathers drgn's warnings in the meantime."""
    found: List[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    listener, logger = Listener(logging.WARNING), logging.getLogger("drgn")
    logger.addHandler(logging.NullHandler())  # stays: types are looked for, and warned of, later too
    logger.addHandler(listener)
    try:
        yield found
    finally:
        logger.removeHandler(listener)
