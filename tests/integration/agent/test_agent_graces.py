"""What is kept for a while is not kept for ever (with an agent whose while is short)."""

from __future__ import annotations

import time
from pathlib import Path

from oc.wire.messages import WINDOW, Output, Session, Sessions
from tests.integration.agent.client import Client
from tests.integration.agent.process import running

PACE_S = 0.01
BYTES = 3_000_000


def test_a_reader_that_does_not_come_back_loses_its_place(sanitized: Path) -> None:
    with running(sanitized) as agent, agent.client() as client:
        with agent.client() as lost:
            lost.credit = False
            stream = lost.launch("a", "head", "-c", str(BYTES), "/dev/zero", reader="r")
            seen = 0
            while seen < WINDOW:
                seen += len(lost.take(stream, Output).data)
            (session,) = client.ask(Sessions(), Session)
            assert session.written < BYTES  # held, as long as the place is kept
        wait_until_gone(client, "a")


def test_an_ended_session_is_forgotten_but_not_under_its_readers(sanitized: Path) -> None:
    with running(sanitized) as agent, agent.client() as client:
        client.start("running", "sleep", "100000")
        client.credit = False
        stream = client.launch("read", "head", "-c", str(WINDOW + 1), "/dev/zero")
        client.start("ended", "true")
        wait_until_gone(client, "ended")
        assert names(client) == {"running", "read"}
        assert isinstance(client.next(stream), Output)


def names(client: Client) -> set[str]:
    return {session.session for session in client.ask(Sessions(), Session)}


def wait_until_gone(client: Client, name: str) -> None:
    while name in names(client):
        time.sleep(PACE_S)
