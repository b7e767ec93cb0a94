"""Names the tests that failed at first and passed alone (docs/decisions/0008), above pytest's closing line."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("passed", [])
    if not reports:
        return
    terminalreporter.write_sep("!", f"{len(reports)} failed at first, passed alone: a flaky test is a bug", red=True)
    for report in reports:
        terminalreporter.write_line(f"FLAKY {report.nodeid}", red=True)
