"""A sandbox that goes to sleep does nothing after what was saved, and goes on if it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from oc.model.errors import Failed
from oc.worker import sleep
from oc.worker.journal import Record, Step
from oc.worker.sandbox import Sandbox
from tests.unit.worker.memory import ID, SPEC, Host, parts

ARTIFACT = "11111111-1111-4111-8111-111111111111"


def watched(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """One that runs, whose pauses are among the host's calls."""
    sandbox = Sandbox(ID, parts(host, tmp_path), Record(SPEC, Step.RUNNING))
    host.running.add(ID)

    def noted(name: str) -> Callable[..., Coroutine[Any, Any, None]]:
        async def call(*_: object) -> None:
            await host.call(name)

        return call

    for name in ("pause", "save", "resume"):
        monkeypatch.setattr(sandbox.parts.driver, name, noted(name))
    return sandbox


def test_it_is_not_resumed_between_its_save_and_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host()
    sandbox = watched(host, tmp_path, monkeypatch)
    asyncio.run(sleep.hibernate(sandbox, ARTIFACT))
    assert host.calls[:3] == ["pause", "save", "remove"]
    assert "resume" not in host.calls
    assert sandbox.parts.shelf.has(ARTIFACT)


def test_it_runs_on_when_it_cannot_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(errors={"save": [Failed("no such luck")]})
    sandbox = watched(host, tmp_path, monkeypatch)
    with pytest.raises(Failed):
        asyncio.run(sleep.hibernate(sandbox, ARTIFACT))
    assert host.calls == ["pause", "save", "resume"]
    assert sandbox.running
    assert not sandbox.parts.shelf.knows(ARTIFACT)
