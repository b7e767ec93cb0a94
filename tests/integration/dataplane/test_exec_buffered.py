"""`exec/run`, `exec/run-async` and `exec/{id}/result` over a real agent."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from oc.runtime.driver import Endpoint
from oc.worker.heartbeat import Heartbeat
from tests.integration.dataplane.stand import ID, Stand, eventually, on_stand


def test_outputs_are_apart_and_the_exit_code_is_the_commands(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        assert await stand.run("echo out; echo err >&2; exit 7") == {
            "exitCode": 7,
            "stdout": "out\n",
            "stderr": "err\n",
        }
        assert await stand.run(r"printf '\377'") == {"exitCode": 0, "stdout": "\ufffd", "stderr": ""}
        assert (await stand.run("kill -TERM $$"))["exitCode"] == -1
        assert (await stand.run("cat"))["stdout"] == ""  # stdin is /dev/null
        assert (await stand.run('echo "$A"; pwd', envs={"A": "b c"}, cwd="/tmp"))["stdout"] == "b c\n/tmp\n"
        answer = await stand.post("exec/run", {"cmd": "echo a && echo $((1+1))"})
        assert answer.json()["stdout"] == "a\n2\n"

    on_stand(agent, work)


def test_a_timeout_kills_the_group_and_says_so(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        body = await stand.run("sleep 1000 & sleep 1000", timeout=1)
        assert (body["exitCode"], body["stderr"]) == (-1, "\nProcess timed out")

    on_stand(agent, work)


@pytest.mark.parametrize(
    ("body", "name"),
    [({"cmd": "no-such-program"}, "no-such-program"), ({"cmd": "true", "cwd": "/no/such"}, "/no/such")],
)
@pytest.mark.parametrize("path", ["exec/run", "exec/run-async", "exec"])
def test_what_cannot_be_started_is_500_and_named(agent: Endpoint, path: str, body: dict[str, str], name: str) -> None:
    async def work(stand: Stand) -> None:
        answer = await stand.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (500, "failed")
        assert name in answer.json()["error"]

    on_stand(agent, work)


def test_output_larger_than_the_ring_arrives_whole(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        body = await stand.run("seq 1 500000")
        expected = "".join(f"{number}\n" for number in range(1, 500_001))
        assert len(body["stdout"]) == len(expected)
        assert hashlib.sha256(body["stdout"].encode()).digest() == hashlib.sha256(expected.encode()).digest()
        assert "truncated" not in body

    on_stand(agent, work)


def test_the_process_dies_with_its_client(agent: Endpoint, tmp_path: Path) -> None:
    async def work(stand: Stand) -> None:
        begun = tmp_path / "begun"
        request = asyncio.ensure_future(stand.run(f"echo $$ > {begun}.new; mv {begun}.new {begun}; sleep 1000"))

        async def has_begun() -> bool:
            return begun.exists()

        await eventually(has_begun)
        process = Path("/proc", begun.read_text().strip())
        request.cancel()

        async def has_died() -> bool:
            return not process.exists()

        await eventually(has_died)
        assert (await stand.get("exec")).json() == []

    on_stand(agent, work)


def test_a_long_command_keeps_its_client_listening(agent: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Heartbeat.__init__, "__defaults__", (0.05, 0.05))

    async def work(stand: Stand) -> None:
        answer = await stand.post("exec/run", {"cmd": "sh", "args": ["-c", "sleep 1; echo done"]})
        assert answer.status_code == 200
        assert answer.text.startswith("  ")
        assert answer.json() == {"exitCode": 0, "stdout": "done\n", "stderr": ""}

    on_stand(agent, work)


def test_a_quick_command_is_answered_inline(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        while (answer := await stand.post("exec/run-async", {"cmd": "echo", "args": ["hi"]})).status_code != 200:
            assert answer.status_code == 202  # a busy machine may need more than the hold
        assert answer.json() == {"exitCode": 0, "stdout": "hi\n", "stderr": ""}

    on_stand(agent, work)


def test_a_handle_is_good_until_the_end_and_across_connections(agent: Endpoint, tmp_path: Path) -> None:
    go = tmp_path / "go"

    async def work(stand: Stand) -> None:
        script = f"echo begun; while [ ! -e {go} ]; do sleep 0.01; done; echo ended >&2; exit 4"
        answer = await stand.post("exec/run-async", {"cmd": "sh", "args": ["-c", script]})
        assert answer.status_code == 202
        assert answer.json()["running"] is True
        path = f"exec/{answer.json()['execId']}/result"

        async def has_begun() -> bool:
            body = (await stand.get(path)).json()
            assert body["running"] is True
            return bool(body["stdout"] == "begun\n")

        await eventually(has_begun)
        await stand.links.close()
        go.touch()

        async def has_ended() -> bool:
            return not (await stand.get(path)).json()["running"]

        await eventually(has_ended)
        body = (await stand.get(path)).json()
        assert body == {"running": False, "exitCode": 4, "stdout": "begun\n", "stderr": "ended\n"}

    on_stand(agent, work)


@pytest.mark.parametrize("handle", ["00000000", "nonsense"])
def test_an_unknown_handle_is_404(agent: Endpoint, handle: str) -> None:
    async def work(stand: Stand) -> None:
        assert (await stand.get(f"exec/{handle}/result")).status_code == 404

    on_stand(agent, work)


def test_twenty_at_once(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        bodies = await asyncio.gather(*(stand.run(f"sleep 0.1; echo {number}") for number in range(20)))
        assert [body["stdout"] for body in bodies] == [f"{number}\n" for number in range(20)]
        assert (await stand.get("exec")).json() == []

    on_stand(agent, work)


def test_errors_have_the_envelope(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        missing = await stand.post("exec/run")
        assert (missing.status_code, missing.json()["error"]) == (400, "cmd is required")
        wrong = await stand.http.patch(f"/sandboxes/{ID}/exec/run")
        assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
        nowhere = await stand.get("nowhere")
        assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")

    on_stand(agent, work)
