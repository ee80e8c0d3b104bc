"""The verdict as SARIF 2.1.0, for systems that collect the results of analysers.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
"""
from typing import Any, Dict, Iterator, List, Optional, Tuple
from urllib.parse import quote

from ...check.report import Report
from ...check.rule import NOTE, Rule
from ...check.rules.catalogue import RULES
from ...check.verdict import SHOWN, Finding, QueueVerdict
from ...snapshot.write import to_json

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

LEVELS = {"critical": "error", "high": "error", "medium": "warning", "note": "note"}

Json = Dict[str, Any]


def show(*reports: Report) -> str:
    """The document as JSON text, with a run for each VM."""
    return to_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(one) for one in reports]})


def _run(report: Report) -> Json:
    places = {rule.id: place for place, rule in enumerate(RULES)}
    return {
        "tool": {"driver": {"name": report.producer.name, "version": report.producer.version,
                            "rules": [_rule(one) for one in RULES]}},
        "artifacts": _artifacts(report),
        "results": [_result(report, places, *one) for one in _findings(report)],
        "columnKind": "unicodeCodePoints",
        "properties": {"status": report.status, "headline": report.headline, "reasons": report.reasons}}


def _findings(report: Report) -> Iterator[Tuple[Optional[QueueVerdict], Finding]]:
    for one in report.findings:
        yield None, one
    for queue in report.queues:
        for one in queue.findings:
            yield queue, one


def _rule(rule: Rule) -> Json:
    return {
        "id": rule.id, "name": "".join(word.capitalize() for word in rule.slug.split("-")),
        "shortDescription": {"text": rule.title + "."},
        "fullDescription": {"text": rule.explanation or rule.title + "."},
        "help": {"text": "\n".join([f"Holds when {rule.holds_when}.", *(f"- {one}" for one in rule.actions)])},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"tags": ["virtio"], "blame": rule.blame, "precision": "high"}}


def _result(report: Report, places: Dict[str, int], queue: Optional[QueueVerdict], finding: Finding) -> Json:
    where = "the VM" if queue is None else f"{queue.guest_device} = {queue.host_device}, queue {queue.queue_index}"
    level = LEVELS[finding.severity] if finding.certainty == SHOWN or finding.severity == NOTE else "warning"
    return {
        "ruleId": finding.rule, "ruleIndex": places[finding.rule], "level": level,
        "message": {"text": f"{where}: {finding.headline}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": one["location"]["uri"], "index": place}},
                       "logicalLocations": [{"name": where, "kind": "resource"}]}
                      for place, one in enumerate(_artifacts(report))] or
                     [{"logicalLocations": [{"name": where, "kind": "resource"}]}],
        "partialFingerprints": {"vqcheck/v1": f"{where}: {finding.rule}"},
        "properties": {
            "certainty": finding.certainty, "confidence": finding.confidence.level, "blame": finding.blame,
            "evidence": [" | ".join(word for word in one if word) for one in finding.evidence],
            "actions": finding.to_do, "consequences": [one.rule for one in finding.consequences]}}


def _artifacts(report: Report) -> List[Json]:
    return [{"location": {"uri": _uri(one.file)}, "description": {"text": f"snapshot of the {one.side}"}}
            for one in report.captures if one.file]


def _uri(name: str) -> str:
    return quote(name)
