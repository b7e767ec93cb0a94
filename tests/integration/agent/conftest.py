from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oc.settings import AGENT
from tests.integration.agent.client import Client
from tests.integration.agent.process import Agent, build, running


@pytest.fixture(scope="session")
def program() -> Path:
    build("all")
    return AGENT


@pytest.fixture
def agent(program: Path) -> Iterator[Agent]:
    with running(program) as agent:
        yield agent


@pytest.fixture
def client(agent: Agent) -> Iterator[Client]:
    with agent.client() as client:
        yield client


@pytest.fixture(scope="session")
def sanitized() -> Path:
    """With sanitizers, and with short graces (agent/Makefile)."""
    build("sanitized")
    return AGENT.parent / "sanitized" / AGENT.name
