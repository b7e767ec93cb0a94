"""`oc-host doctor`: what this host can and cannot do, a line each, and how to mend it."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from oc.serve import diagnosis
from oc.serve.diagnosis import FAIL, Finding
from oc.serve.verb import Verb
from oc.settings import Settings

COLOURS = {"ok": "32", "warn": "33", "fail": "31"}


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(settings: Settings, arguments: Namespace) -> int:
    """Exit code 1 when something keeps sandboxes from running."""
    findings = asyncio.run(diagnosis.examine(settings))
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(_lines(finding, colour=sys.stdout.isatty()))
        print(_summary(findings))
    return 1 if any(finding.result == FAIL for finding in findings) else 0


def _lines(finding: Finding, *, colour: bool) -> str:
    mark = f"{finding.result:<4}"
    if colour:
        mark = f"\033[{COLOURS[finding.result]}m{mark}\033[0m"
    line = f"{mark}  {finding.check:<12} {finding.text}"
    return f"{line}\n      {'':<12} -> {finding.mend}" if finding.mend else line


def _summary(findings: list[Finding]) -> str:
    failures = [finding.check for finding in findings if finding.result == FAIL]
    if failures:
        return f"\nSandboxes cannot run here until this is mended: {', '.join(failures)}."
    return "\nThis host can run sandboxes."


VERB = Verb(run, arguments)
