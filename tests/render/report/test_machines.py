"""The verdict for programs: JSON with its schema, SARIF."""
import json

import jsonschema
import pytest
import sarif_om

from tests import corpus
from tests.builders import incident
from vqcheck.check import report as reports
from vqcheck.check.judge import judge
from vqcheck.check.rules.catalogue import RULES
from vqcheck.render.report import sarif
from vqcheck.snapshot.write import to_json

ENTRIES = corpus.synthetic()
SCHEMA = json.loads(reports.schema_text())


def report_of(entry, explain=True):
    snapshots = entry.snapshots()
    return reports.report(judge(*snapshots, explain=explain), snapshots, [f"{one.side}.json" for one in snapshots])


def test_the_schema_is_that_of_the_records():
    assert reports.schema_text() == reports.generate()
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("entry", ENTRIES, ids=[one.name for one in ENTRIES])
def test_every_report_keeps_to_its_schema(entry):
    document = json.loads(to_json(report_of(entry)))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert (document["report"], document["status"]) == (reports.REPORT_VERSION, entry.status)


def test_a_report_names_files_event_and_requests():
    snapshots = incident()
    document = json.loads(to_json(reports.report(judge(*snapshots), snapshots, ["g.json", "h.json"])))
    (queue,) = document["queues"]
    assert [one["file"] for one in document["captures"]] == ["g.json", "h.json"]
    assert queue["findings"][0]["event"]["idx"] == 43932 and queue["ring"]["returned"] == 4
    assert [one["place"] for one in queue["requests"]] == ["returned"] * 4
    assert queue["findings"][0]["causes"][0]["rules"] == ["M1"] and queue["judged"] == []


PARTS = {"runs": "Run", "tool": "Tool", "driver": "ToolComponent", "rules": "ReportingDescriptor", "results": "Result",
         "artifacts": "Artifact", "location": "ArtifactLocation", "artifactLocation": "ArtifactLocation",
         "locations": "Location", "physicalLocation": "PhysicalLocation", "logicalLocations": "LogicalLocation",
         "message": "Message", "shortDescription": "MultiformatMessageString", "description": "Message",
         "fullDescription": "MultiformatMessageString", "help": "MultiformatMessageString",
         "defaultConfiguration": "ReportingConfiguration"}
"""Classes of the standard's object model, made from its schema, by the member that holds them."""


def check_part(document, kind):
    known = {one.metadata["schema_property_name"] for one in getattr(sarif_om, kind).__attrs_attrs__}
    assert set(document) <= known, (kind, set(document) - known)
    for name, value in document.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and name not in ("properties", "partialFingerprints"):
                check_part(one, PARTS[name])


@pytest.mark.parametrize("entry", ENTRIES, ids=[one.name for one in ENTRIES])
def test_sarif_has_a_result_for_each_finding(entry):
    report = report_of(entry, explain=False)
    document = json.loads(sarif.show(report))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    check_part(run, "Run")
    findings = [*report.findings, *(one for queue in report.queues for one in queue.findings)]
    assert [one["ruleId"] for one in run["results"]] == [one.rule for one in findings]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert run["artifacts"][result["locations"][0]["physicalLocation"]["artifactLocation"]["index"]]


def test_sarif_lists_all_rules_and_escapes_file_names():
    snapshots = incident()
    report = reports.report(judge(*snapshots), snapshots, ["a file.json", "h.json"])
    (run,) = json.loads(sarif.show(report))["runs"]
    assert [one["id"] for one in run["tool"]["driver"]["rules"]] == [rule.id for rule in RULES]
    assert run["artifacts"][0]["location"]["uri"] == "a%20file.json"
    assert len(json.loads(sarif.show(report, report))["runs"]) == 2
