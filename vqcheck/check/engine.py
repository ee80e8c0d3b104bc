"""Tries the rules on a case, in their order, and folds what follows from something else under it."""
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .case import Case
from .result import Excused, Found
from .rule import NOTE, STAGES, Rule, Stage
from .rules.catalogue import RULES
from .unknown import Unknown
from .verdict import SHOWN, SUSPECTED, Confidence, Finding, Judgement

HOLDS, CLEAR, EXCUSED, NOT_JUDGED = "holds", "clear", "excused", "not judged"

BY_STAGE: Dict[Stage, Tuple[Rule, ...]] = {stage: tuple(rule for rule in RULES if rule.stage == stage)
                                           for stage in STAGES}


class Judged(NamedTuple):
    """What came out of a case.

    findings: rules that hold, the root of each matter first.
    excuses: what looks odd and is none.
    missing: why essential rules could not be judged.
    judged: what became of each rule; None where nobody asked.
    """

    findings: List[Finding]
    excuses: List[str]
    missing: List[str]
    judged: Optional[List[Judgement]]


EXPLAINS: Dict[str, Tuple[str, ...]] = {rule.id: rule.explains for rule in RULES}


def judge_case(case: Case, explain: bool = False) -> Judged:
    """All rules of a queue's, until one holds after which the others prove nothing.

    With `explain` it is kept what became of each of them.
    """
    found: List[Tuple[Rule, Found]] = []
    outcome = Judged([], [], [], [] if explain else None)
    for stage in STAGES[1:]:
        held, missing = judge_stage(stage, case, outcome)
        found += held
        if stage.stops and (held or missing and not case.moved):  # of what moved, what stood still is judged
            break
    return outcome._replace(findings=fold([finding(rule, one, case) for rule, one in found]))


def judge_stage(stage: Stage, case: Any, outcome: Judged) -> Tuple[List[Tuple[Rule, Found]], bool]:
    """The rules of a stage that hold, and whether an essential one could not be judged; the rest goes to `outcome`."""
    held: List[Tuple[Rule, Found]] = []
    missing = False
    for rule in BY_STAGE[stage]:
        try:
            result = rule.test(case)
        except Unknown as problem:
            _note(outcome, rule, NOT_JUDGED, str(problem))
            if rule.essential:
                missing = True
                if str(problem) not in outcome.missing:
                    outcome.missing.append(str(problem))
            continue
        if isinstance(result, Found):
            held.append((rule, result))
            _note(outcome, rule, HOLDS, result.headline)
        elif isinstance(result, Excused):
            if result.why not in outcome.excuses:
                outcome.excuses.append(result.why)
            _note(outcome, rule, EXCUSED, result.why)
        else:
            _note(outcome, rule, CLEAR, result)
    return held, missing


def _note(outcome: Judged, rule: Rule, word: str, why: str) -> None:
    if outcome.judged is not None:
        outcome.judged.append(Judgement(rule.id, word, why))


def finding(rule: Rule, found: Found, case: Any = None) -> Finding:
    """A rule that holds, with all that the rule itself says."""
    suspected = bool(found.doubts)
    return Finding(
        rule=rule.id, slug=rule.slug, title=rule.title, severity=rule.severity,
        certainty=SUSPECTED if suspected else SHOWN,
        headline=found.headline,
        blame=found.blame or rule.blame,
        event=found.event,
        evidence=list(found.evidence),
        against=[*found.doubts, *found.against],
        confidence=_confidence(found, _several(case)),
        causes=list(found.causes),
        confirm=list(rule.confirm),
        actions=[*found.actions, *(one for one in rule.actions if one not in found.actions)],
        one_more=found.one_more,
        references=list(rule.references),
    )


def _several(case: Any) -> bool:
    return isinstance(case, Case) and (len(case.history.guest) > 1 or len(case.history.host) > 1 or case.one_instant)


def _confidence(found: Found, several: bool) -> Confidence:
    if found.doubts:
        return Confidence("low", "it is only suspected: see what speaks against it")
    if found.lacking:
        return Confidence("fair", "the arithmetic leaves no other reading, but " + " and ".join(found.lacking))
    if several:
        return Confidence("high", "the captures of both sides fit together and show that it lasts")
    return Confidence("good", "both sides' records agree, and nothing that matters is unknown")


def fold(findings: Sequence[Finding]) -> List[Finding]:
    """The roots, those that are shown first; what follows from a root that is as certain is folded under it."""
    roots: List[Finding] = []
    folded: Dict[str, List[Finding]] = {}
    for one in findings:
        root = next((other for other in findings if other is not one and one.rule in EXPLAINS[other.rule]
                     and (other.certainty == SHOWN or one.certainty == SUSPECTED)
                     and one.rule not in _above(other, findings)), None)
        if root is None:
            roots.append(one)
        else:
            folded.setdefault(root.rule, []).append(one)
    whole = [_with(root, folded) for root in roots]
    return sorted(whole, key=lambda one: (one.certainty != SHOWN, one.severity == NOTE))


def _above(one: Finding, findings: Sequence[Finding]) -> List[str]:
    """Rules among those that hold which explain a finding themselves: rules never explain each other in a circle."""
    return [other.rule for other in findings if one.rule in EXPLAINS[other.rule]]


def _with(one: Finding, folded: Dict[str, List[Finding]]) -> Finding:
    return one._replace(consequences=[_with(other, folded) for other in folded.get(one.rule, [])])
