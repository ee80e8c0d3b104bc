"""The rules as text: a list of all, a manual page of one."""
import inspect
from typing import List, Sequence

from ...check.case import Case
from ...check.rule import Rule
from ...check.rules.catalogue import BY_NAME, RULES
from ...check.rules.elsewhere import ENTRIES, Elsewhere
from ..tables import table
from ..words import wrapped

FAMILIES = (
    ("I", "Interrupts: returned by the device, not consumed by the driver"),
    ("K", "Kicks: posted by the driver, not popped by the device"),
    ("B", "Backend: popped by the device, not returned"),
    ("G", "Guest: what waits above the ring, and the driver's books"),
    ("C", "Corruption and disagreement"),
    ("M", "Migration, restore, reset"),
    ("V", "vhost"),
    ("S", "Captures"),
)
"""First letters of ids, in the order in which people read them."""


FIRST = "before these, a verdict names what would move the queue at hand"
"""What a rule by itself can't tell: whether one more request helps, and which eventfd or irq to write to."""


def every() -> str:
    """All rules, by family."""
    blocks = []
    for letter, title in FAMILIES:
        rules = family(letter)
        blocks.append(title + "\n\n" + table([(rule.id, rule.slug, rule.severity, rule.title) for rule in rules],
                                             ("rule", "name", "severity", "what is wrong")))
    blocks.append("Known, and without a rule of their own\n\n" + table(
        [(one.id, ", ".join(one.covered_by) or "-", one.title) for one in ENTRIES], ("id", "see", "what is wrong")))
    return "\n\n".join(blocks) + "\n"


def family(letter: str) -> List[Rule]:
    """The rules of a family, by number."""
    return sorted((rule for rule in RULES if rule.id.startswith(letter)), key=lambda rule: number(rule.id))


def number(name: str) -> int:
    """`K12` comes after `K9`."""
    digits = "".join(one for one in name if one.isdigit())
    return int(digits or 0)


def page(rule: Rule) -> str:
    """A rule as a manual page."""
    blocks = [f"{rule.id}  {rule.slug}", _section("WHAT", [rule.title + "."]),
              _section("WHO", [f"{rule.blame}.  Severity: {rule.severity}."]),
              _section("WHEN", [rule.holds_when + "."])]
    blocks += [
        _items("NOT WHEN", rule.not_when), _section("WHY IT SHOWS SO", [rule.explanation]),
        _items("NEEDS, else it is not judged", [need(one) for one in rule.needs]),
        _items("WHAT WOULD CONFIRM IT", rule.confirm), _numbered(f"WHAT TO DO, gentlest first; {FIRST}", rule.actions),
        _items("WHAT FOLLOWS FROM IT, and is folded under it", [
            f"{one}  {BY_NAME[one].title}" for one in rule.explains]),
        _items("REFERENCES", rule.references),
        _section("JUDGED", [f"in the step \"{rule.stage.name}\"" + (
            "; what comes later proves nothing then, and is not judged" if rule.stage.stops else "") + (
            ".  A queue of which it can't be judged is not called healthy." if rule.essential else ".")])]
    return "\n\n".join(block for block in blocks if block) + "\n"


def elsewhere(one: Elsewhere) -> str:
    """An entry without a rule of its own."""
    blocks = [f"{one.id}  (no rule of its own)", _section("WHAT", [one.title + "."]),
              _section("EVIDENCE", [one.evidence + "."]),
              _items("SEE", [f"{rule}  {BY_NAME[rule].title}" for rule in one.covered_by])]
    return "\n\n".join(block for block in blocks if block) + "\n"


def need(name: str) -> str:
    """A fact that a rule needs: a field of the snapshots, or what follows from them, in words."""
    if "." in name or not hasattr(Case, name):
        return name
    fact = inspect.getattr_static(Case, name)
    text = inspect.getdoc(getattr(fact, "func", None) or getattr(fact, "fget", fact)) or ""
    return f"{name}: {text.split('.  ')[0].splitlines()[0].rstrip('.')}"


def _section(title: str, paragraphs: Sequence[str]) -> str:
    lines = [title]
    for paragraph in paragraphs:
        if paragraph:
            lines += wrapped(sentence(paragraph), "    ", "    ")
    return "\n".join(lines) if len(lines) > 1 else ""


def sentence(text: str) -> str:
    """With a capital, unless it begins with a name that has none."""
    first = text.split(maxsplit=1)[0].rstrip(",.:;")
    return text[0].upper() + text[1:] if first.isalpha() and first not in NAMES else text


NAMES = ("inuse", "vhost", "dmesg", "lspci")
"""Names of fields and programs that look like words."""


def _items(title: str, items: Sequence[str]) -> str:
    return "\n".join([title, *(line for item in items for line in wrapped(item, "    * ", "      "))]) if items else ""


def _numbered(title: str, items: Sequence[str]) -> str:
    return "\n".join([title, *(line for place, item in enumerate(items, 1)
                               for line in wrapped(item, f"    {place}. ", "       "))]) if items else ""
