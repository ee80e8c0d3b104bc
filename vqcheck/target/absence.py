"""Values that could not be had, each with its reason."""
from typing import Any, Callable, Dict, Optional, TypeVar

from .errors import TargetError

Value = TypeVar("Value")


class Absences(Dict[str, str]):
    """Field name to the reason why that field is absent, gathered while a record is filled in."""

    def take(self, field: str, question: Callable[..., Optional[Value]], *words: Any) -> Optional[Value]:
        """The answer to a question, or None with the reason noted under `field`."""
        try:
            return question(*words)
        except TargetError as problem:
            self[field] = str(problem)
            return None
