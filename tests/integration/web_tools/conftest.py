"""One dashboard for all tests of this area, and a sandbox for each; a browser for those that need one."""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from oc.settings import AGENT
from tests.browser import chromium
from tests.integration.web_tools.dashboard import Dashboard
from tests.integration.worker.house import House


@pytest.fixture(scope="session")
def agent() -> Path:
    """Built if it is not up to date; by one test process at a time."""
    with (Path(tempfile.gettempdir()) / "oc-agent-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", "-C", AGENT.parents[1]], check=True, stdin=subprocess.DEVNULL)
    return AGENT


@pytest.fixture(scope="package")
def dashboard(agent: Path) -> Iterator[Dashboard]:
    """In a short path: a Unix socket's has at most 107 bytes (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="oc-") as directory:
        house = House(Path(directory), agent)
        made = Dashboard(house)
        try:
            made.start()
            yield made
        finally:
            made.stop()
            house.clear()


@pytest.fixture
def sandbox(dashboard: Dashboard) -> Iterator[str]:
    id = dashboard.create()
    yield id
    dashboard.call("DELETE", f"/sandboxes/{id}", 204)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not longer: while it is there, asyncio takes its loop for one that runs in this thread."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, dashboard: Dashboard) -> Iterator[Page]:
    """Of the first user. The test fails on any error that a page's scripts have not handled."""
    context = browser.new_context(viewport={"width": 1100, "height": 700})
    context.add_cookies(
        [{"name": name, "value": value, "url": dashboard.url} for name, value in dashboard.browser.cookies.items()]
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert errors == []
