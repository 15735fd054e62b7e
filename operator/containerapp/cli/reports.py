"""The report of `validate` as text, JSON, JUnit's XML and SARIF, for people, scripts, and code hosts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

from containerapp.cli.checks import Finding, Result

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def text(result: Result) -> str:
    """A line for each mistake, then what was checked."""
    good = len(result.checked) - len({id(finding.document) for finding in result.mistakes})
    summary = f"{good} of {len(result.checked)} objects are valid."
    if result.skipped:
        summary += f" {len(result.skipped)} of other kinds were not checked."
    return "\n".join([*map(str, result.mistakes), summary])


def as_json(result: Result) -> str:
    """A list of mistakes."""
    found = [
        {
            "file": finding.document.file,
            "line": finding.place.line,
            "column": finding.place.column,
            "object": finding.document.title,
            "field": finding.field,
            "message": finding.remedy,
        }
        for finding in result.mistakes
    ]
    return json.dumps(found, indent=2, ensure_ascii=False)


def junit(result: Result) -> str:
    """A test case for each object, failed by its mistakes."""
    failed = {id(finding.document) for finding in result.mistakes}
    suite = ET.Element(
        "testsuite", name="containerapp validate", tests=str(len(result.checked)), failures=str(len(failed))
    )
    for document in result.checked:
        case = ET.SubElement(suite, "testcase", classname=document.file, name=document.title)
        own = [finding for finding in result.mistakes if finding.document is document]
        if own:
            failure = ET.SubElement(case, "failure", message=f"{own[0].field}: {own[0].remedy}")
            failure.text = "\n".join(map(str, own))
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode")


def sarif(result: Result) -> str:
    """A run of SARIF 2.1.0, which code hosts show beside the lines."""
    driver = {"name": "containerapp validate", "rules": [{"id": "invalid-manifest"}]}
    run = {"tool": {"driver": driver}, "results": [_sarif_result(finding) for finding in result.mistakes]}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _sarif_result(finding: Finding) -> dict[str, Any]:
    region = {"startLine": finding.place.line, "startColumn": finding.place.column}
    location = {"artifactLocation": {"uri": finding.document.file}, "region": region}
    return {
        "ruleId": "invalid-manifest",
        "level": "error",
        "message": {"text": f"{finding.document.title}: {finding.field}: {finding.remedy}"},
        "locations": [{"physicalLocation": location}],
    }


REPORTS: dict[str, Callable[[Result], str]] = {"text": text, "json": as_json, "junit": junit, "sarif": sarif}
