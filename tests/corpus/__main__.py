"""`python -m tests.corpus [--write FILE]`: how the checker does on the corpus; fails where it does not do well."""
import pathlib
import sys

from . import everything
from .measure import measure, page, scores


def main() -> int:
    """Print or write the table; 1 where an entry is judged wrongly."""
    outcomes = measure(everything())
    text = page(outcomes)
    if sys.argv[1:2] == ["--write"]:
        pathlib.Path(sys.argv[2]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    wrong = [one for one in outcomes if not one.right]
    for one in wrong:
        sys.stderr.write(f"{one.entry.name}: expected {one.entry.status} {' '.join(one.entry.rules)}, said "
                         f"{one.status} "
                         f"{' '.join(one.rules)}\n")
    return int(bool(wrong) or any(one.precision < 1 or one.recall < 1 for one in scores(outcomes)))


if __name__ == "__main__":
    sys.exit(main())
