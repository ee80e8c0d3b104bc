"""The documentation's pages of the rules, made from the rules.

`python -m vqcheck.render.report.rule_pages docs/rules` writes them.
"""
import pathlib
import sys
from typing import Dict, List, Sequence

from ...check.rule import STAGES, Rule
from ...check.rules.catalogue import BY_NAME
from ...check.rules.elsewhere import ENTRIES, Elsewhere
from .rule_text import FAMILIES, FIRST, family, need, number, sentence

MADE = "<!-- Made by `python -m vqcheck.render.report.rule_pages docs/rules`; not to be edited by hand. -->\n"


def pages() -> Dict[str, str]:
    """All pages, by file name."""
    found = {"README.md": _index()}
    for letter, title in FAMILIES:
        found[f"{letter}.md"] = "\n".join([MADE, f"# {title}\n", *(_rule(rule) for rule in family(letter)),
                                           *_elsewhere(letter)])
    return found


def _index() -> str:
    lines = [MADE, "# The rules of the checker\n",
             "`vqcheck rules` lists them, `vqcheck explain I5` prints one; these pages are made from the same "
             "source.\n",
             "They are judged in this order; once a rule of a step marked with * holds, what comes later is not "
             "judged:\n"]
    lines += [f"{place}. {stage.name}{' *' if stage.stops else ''}" for place, stage in enumerate(STAGES, 1)]
    for letter, title in FAMILIES:
        lines += [f"\n## [{title}]({letter}.md)\n", "| rule | name | severity | what is wrong |", "|---|---|---|---|"]
        lines += [f"| [{rule.id}]({letter}.md#{_anchor(rule)}) | {rule.slug} | {rule.severity} | {rule.title} |"
                  for rule in family(letter)]
    lines += ["\n## Known hangs without a rule of their own\n", "| id | what is wrong | see | evidence |",
              "|---|---|---|---|"]
    lines += [f"| {one.id} | {one.title} | {', '.join(one.covered_by) or '-'} | {one.evidence} |"
              for one in sorted(ENTRIES, key=lambda one: (one.id[0], number(one.id)))]
    return "\n".join(lines) + "\n"


def _anchor(rule: Rule) -> str:
    return f"{rule.id.lower()}-{rule.slug}"


def _rule(rule: Rule) -> str:
    lines = [f"## {rule.id} {rule.slug}\n", f"**{rule.title}.**  Severity: {rule.severity}.  At fault: {rule.blame}.\n",
             f"*Holds when* {rule.holds_when}.\n"]
    if rule.explanation:
        lines.append(rule.explanation.replace("<", "&lt;") + "\n")
    lines += _list("Not when", rule.not_when) + _list("Needs, else it is not judged", [need(one) for one in rule.needs])
    lines += _list("What would confirm it", rule.confirm)
    lines += _list(f"What to do, gentlest first; {FIRST}", rule.actions, "1.")
    lines += _list("What follows from it", [f"[{one}]({one[0]}.md#{_anchor(BY_NAME[one])}) {BY_NAME[one].title}"
                                            for one in rule.explains])
    return "\n".join(lines + _list("References", rule.references))


def _list(title: str, items: Sequence[str], mark: str = "*") -> List[str]:
    return [f"{title}:\n", *(f"{mark} {item}" for item in items), ""] if items else []


def _elsewhere(letter: str) -> List[str]:
    found = [one for one in ENTRIES if one.id.startswith(letter)]
    if not found:
        return []
    return ["## Without a rule of their own\n", *(f"* **{one.id}** {one.title}.  {_why(one)}." for one in found), ""]


def _why(one: Elsewhere) -> str:
    """What finds it and how, or what it would take."""
    return f"See {', '.join(one.covered_by)}: {one.evidence}" if one.covered_by else sentence(one.evidence)


def main(folder: str) -> None:
    """Write them."""
    where = pathlib.Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (where / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
