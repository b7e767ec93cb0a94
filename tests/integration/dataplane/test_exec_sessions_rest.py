"""Sessions by REST over a real agent."""

from __future__ import annotations

import pytest

from oc.runtime.driver import Endpoint
from tests.integration.dataplane.stand import ID, Stand, eventually, on_stand


def test_a_session_is_created_listed_and_killed(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        created = (await stand.post("exec", {"cmd": "sleep", "args": ["1000"]})).json()
        listed = await stand.listed(created["sessionID"])
        same = ("sessionID", "sandboxID", "command", "args", "running", "attachedClients")
        assert {key: created[key] for key in same} == {key: listed[key] for key in same}
        assert (listed["sandboxID"], listed["command"], listed["args"]) == (ID, "sleep", ["1000"])
        assert "exitCode" not in listed

        killed = await stand.post(f"exec/{created['sessionID']}/kill", {"signal": 15})
        assert (killed.status_code, killed.json()) == (200, {})

        async def has_ended() -> bool:
            return not (await stand.listed(created["sessionID"]))["running"]

        await eventually(has_ended)
        assert (await stand.listed(created["sessionID"]))["exitCode"] == -1
        again = await stand.post(f"exec/{created['sessionID']}/kill")
        assert (again.status_code, again.content) == (204, b"")

    on_stand(agent, work)


@pytest.mark.parametrize(
    ("body", "status"),
    [({"signal": 0}, 400), ({"signal": 65}, 400), ({"signal": True}, 400), ({"signal": 9}, 404), (None, 404)],
)
def test_a_kill_that_cannot_be(agent: Endpoint, body: dict[str, int] | None, status: int) -> None:
    async def work(stand: Stand) -> None:
        assert (await stand.post("exec/00000000/kill", body)).status_code == status

    on_stand(agent, work)


def test_the_time_limit_of_a_session_kills_it(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await stand.session("sleep", "1000", timeout=1)

        async def has_ended() -> bool:
            return not (await stand.listed(session))["running"]

        await eventually(has_ended)
        assert (await stand.listed(session))["exitCode"] == -1

    on_stand(agent, work)


def test_attaching_without_an_upgrade_is_explained(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        answer = await stand.get("exec/00000000")
        assert answer.status_code == 400
        assert "WebSocket" in answer.json()["error"]

    on_stand(agent, work)
