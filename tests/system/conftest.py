"""One stack for the tests that only use it; those that kill or fill it bring their own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.system.base import shared_pool
from tests.system.outside import Outside
from tests.system.stack import Stack

if os.geteuid() != 0:
    pytest.skip("system tests run real sandboxes, which takes root", allow_module_level=True)


def _slot(number: int) -> int:
    """Each pytest-xdist worker has slots of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return 4 * int(worker) + number


def _running(number: int, **settings: str) -> Iterator[Stack]:
    stack = Stack(shared_pool(), _slot(number), settings)
    try:
        stack.start()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    yield from _running(0)


@pytest.fixture(scope="module")
def fragile() -> Iterator[Stack]:
    """A stack of the module's own, to kill and to fill."""
    yield from _running(1)


@pytest.fixture(scope="session")
def outside() -> Iterator[Outside]:
    made = Outside()
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def guarded(outside: Outside) -> Iterator[Stack]:
    """A stack whose names and certificates are those of the tests' own outside."""
    yield from _running(2, **outside.settings)


@pytest.fixture
def sandbox(stack: Stack) -> Iterator[str]:
    id = stack.create()
    yield id
    stack.kill(id)
