"""The program itself: light, alone, and able to hand over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.integration.cli.program import OC, PATIENCE_S

SOURCE = Path(__file__).parents[3] / "src"
LOADED = """
import json, sys
sys.path.insert(0, sys.argv.pop(1))
before = set(sys.modules)
from oc.cli.commands import ROOT, walk
from oc.cli.main import outcome
{what}
json.dump(sorted(set(sys.modules) - before), sys.stderr)
"""
ALL = """
import oc.cli.attachment, oc.cli.watch, oc.cli.stdin, oc.cli.lineage, oc.cli.progress, oc.cli.readiness
for _, verb in walk(ROOT): verb.load()
"""


def loaded(what: str) -> set[str]:
    """The modules that it imports, in an interpreter that has the standard library only."""
    argv = [sys.executable, "-I", "-S", "-c", LOADED.format(what=what), str(SOURCE)]
    ran = subprocess.run(argv, capture_output=True, timeout=PATIENCE_S, check=True)
    return set(json.loads(ran.stderr))


def test_all_of_it_needs_the_standard_library_and_itself_only() -> None:
    top = {module.partition(".")[0] for module in loaded(ALL)}
    assert top - set(sys.stdlib_module_names) == {"oc"}
    ours = {module for module in loaded(ALL) if module.startswith("oc.")}
    assert {module for module in ours if not module.startswith("oc.cli")} == set()


def test_a_command_loads_no_other_command_and_nothing_slow() -> None:
    modules = loaded('outcome(["version"])')
    assert {module for module in modules if module.startswith("oc.cli.verbs.")} == {"oc.cli.verbs.version"}
    slow = {"http.client", "ssl", "dataclasses", "typing", "asyncio", "threading", "socket", "pathlib", "hashlib"}
    assert modules & slow == set()


def test_host_commands_are_handed_over_untouched(tmp_path: Path) -> None:
    program = tmp_path / "oc-host"
    program.write_text('#!/bin/sh\necho "$0|$*"\nexit 9\n')
    program.chmod(0o755)
    script = "import sys; sys.executable = ''; from oc.cli.main import main; main()"
    argv = [sys.executable, "-c", script, "doctor", "--json", "--deep", "--", "-x"]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(SOURCE)}
    ran = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (ran.returncode, ran.stdout) == (9, f"{program}|doctor --json --deep -- -x\n")
    missing = subprocess.run(
        argv, env=environment | {"PATH": "/nowhere"}, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert missing.returncode == 1
    assert "pip install 'opencomputer[worker]'" in missing.stderr


def test_bash_completes_commands_and_flags() -> None:
    script = f"""
source <("{OC}" completion bash)
complete_words() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _oc; echo "${{COMPREPLY[*]}}"; }}
complete_words oc wh
complete_words oc sandbox s
complete_words oc --json exec --w
complete_words oc checkpoint s
complete_words oc cp create --r
complete_words oc patch create --s
complete_words oc exec sb-1 -- --w
"""
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ran.stdout.splitlines() == [
        "whoami",
        "scale set-timeout",
        "--wait",
        "spawn",
        "--retention-policy --retention-max-count",
        "--script",
        "",
    ]
