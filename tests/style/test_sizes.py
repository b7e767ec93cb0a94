"""The tail is policed, not the median: one long function costs a reader more than many short ones."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.style.tree import ROOT

LONGEST_FUNCTION = 60
NINETIETH_PERCENTILE = 35
LONGEST_FILE = 500

SOURCES = sorted((ROOT / "src" / "oc").rglob("*.py"))


def functions() -> dict[str, int]:
    found = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                found[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = node.end_lineno - node.lineno + 1
    return found


def test_functions_are_short() -> None:
    lengths = functions()
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}
    assert sorted(lengths.values())[int(0.9 * len(lengths))] <= NINETIETH_PERCENTILE


def test_files_are_short() -> None:
    assert {str(path): size for path in SOURCES if (size := lines(path)) > LONGEST_FILE} == {}


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_module_is_called_what_says_nothing() -> None:
    names = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert [path for path in SOURCES if path.stem in names] == []
