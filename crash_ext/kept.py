"""Answers about types, kept from one command to the next."""
from typing import Any, Callable, Dict, Hashable


class Kept:
    """What a debugger has told of types; asking again would take it tens of milliseconds each time.

    A type that was found stays.  One that was not is asked for again when the debug information of another module has
    come, by `mod -s` or otherwise.
    """

    def __init__(self) -> None:
        self._answers: Dict[Hashable, Any] = {}
        self._modules: Any = None

    def refresh(self, modules: Any) -> None:
        """Compare what is loaded with what was loaded when the answers were given."""
        if modules != self._modules:
            self._modules = modules
            self.forget_missing()

    def forget_missing(self) -> None:
        """Ask again for what was not found: other debug information has come."""
        self._answers = {key: answer for key, answer in self._answers.items() if answer is not None}

    def get(self, question: Callable[..., Any], *words: Any) -> Any:
        """The answer to `question(*words)`, asked once; None stands for absent."""
        key = (question.__name__, *words)
        if key not in self._answers:
            self._answers[key] = question(*words)
        return self._answers[key]
