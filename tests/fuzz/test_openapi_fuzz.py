"""Schemathesis against a running server, from the document that it serves.

It runs as a program of its own: imported into pytest under CPython 3.11 it fails in the compiler ("AST constructor
recursion depth mismatch").
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.integration.server.control import Control, run

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
LIMIT_S = 300
# positive_data_acceptance: what is valid by the document may still be beyond the host's size, or of no such name.
# use_after_free: a killed sandbox is still shown, as stopped (contract 9.10).
# 501 is how features that are not there yet are refused.
# negative_data_rejection: relayed bodies are checked by the worker, which is a stub here.
CONFIGURATION = """
[checks]
positive_data_acceptance.enabled = false
use_after_free.enabled = false
not_a_server_error.expected-statuses = ["2xx", "4xx", 501]

[[operations]]
include-path-regex = '/sandboxes/.id./.*'
parameters = {{ "path.id" = "{id}" }}

[[operations]]
include-path-regex = '/sandboxes/.id./(exec|files|pty).*'
parameters = {{ "path.id" = "{id}" }}
checks.negative_data_rejection.enabled = false

[[operations]]
include-path-regex = '/sandboxes/(from-checkpoint|checkpoints)/.*'
parameters = {{ "path.checkpoint" = "{checkpoint}" }}

[[operations]]
include-path-regex = '/sandboxes/.id./checkpoints/.*/restore'
parameters = {{ "path.id" = "{id}", "path.checkpoint" = "{checkpoint}" }}
"""
ARGUMENTS = (
    ("--exclude-operation-id", "execAttach"),  # WebSockets
    ("--exclude-operation-id", "ptyAttach"),
    ("--max-examples", "15"),
    ("--seed", "1"),
    ("--workers", "1"),
    ("--generation-database", "none"),
)


def fuzz(directory: Path, origin: str, key: str, id: str, checkpoint: str) -> subprocess.CompletedProcess[str]:
    (directory / "schemathesis.toml").write_text(CONFIGURATION.format(id=id, checkpoint=checkpoint))
    arguments = [word for pair in ARGUMENTS for word in pair]
    return subprocess.run(
        [SCHEMATHESIS, "run", f"{origin}/openapi.json", "--no-color", "--header", f"X-API-Key: {key}", *arguments],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_no_request_gets_an_answer_that_the_document_does_not_allow(tmp_path: Path) -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        ran = await asyncio.to_thread(fuzz, tmp_path, made.origin, made.key, id, await made.checkpoint(id))
        assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
        assert any(path.endswith("/exec/run") for _, path, *_ in made.worker.seen)

    run(test, max_sandboxes=100_000)
