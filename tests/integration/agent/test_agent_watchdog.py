"""When memory or processes run out the culprit dies, and nobody else."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

from oc.wire.messages import Ending, Event, Happened, Limits, Session, Sessions, Statistics, Stats
from tests.integration.agent.client import Client
from tests.integration.agent.process import running

GREEDY = "import time\nheld = []\nfor _ in range(300): held.append(b'x' * (1 << 20)); time.sleep(0.002)\nprint('never')"


def still_running(client: Client) -> set[str]:
    return {session.session for session in client.ask(Sessions(), Session) if session.running}


def test_the_largest_process_dies_when_memory_runs_out(program: Path) -> None:
    with running(program, OC_AGENT_MEMORY_MB="200") as agent, agent.client() as client:
        client.start("bystander", "python3", "-c", "import time\nprint('up', flush=True)\ntime.sleep(100000)")
        stream, _ = client.attach("bystander")
        client.until(stream, b"up\n")
        pid = client.start("greedy", "python3", "-c", GREEDY)
        stream, _ = client.attach("greedy")
        out, _, exited = client.read(stream)
        assert (out, exited.ending, exited.signal) == (b"", Ending.MEMORY, signal.SIGKILL)
        happened = client.take(0, Happened)
        assert (happened.event, happened.text) == (Event.MEMORY_KILL, f"{pid} python3")
        assert still_running(client) == {"bystander"}
        assert client.ask(Statistics(), Stats)[0].memory_kills == 1


def test_the_limit_moves_while_a_sandbox_runs(program: Path) -> None:
    with running(program, OC_AGENT_MEMORY_MB="200") as agent, agent.client() as client:
        client.do(Limits(600 << 20))
        assert client.ask(Statistics(), Stats)[0].memory_total == 600 << 20
        _, _, exited = client.run("a", "python3", "-c", "x = b'x' * (300 << 20)")
        assert (exited.code, exited.ending) == (0, Ending.EXIT)
        client.do(Limits(200 << 20))
        _, _, exited = client.run("b", "python3", "-c", GREEDY)
        assert exited.ending == Ending.MEMORY


def test_nobody_is_limited_to_nothing_or_where_nothing_was_limited(program: Path) -> None:
    with running(program) as agent, agent.client() as client:
        assert client.failure(Limits(0)).errno == errno.EINVAL
        before = client.ask(Statistics(), Stats)[0].memory_total
        client.do(Limits(1 << 20))
        assert client.ask(Statistics(), Stats)[0].memory_total == before
        _, _, exited = client.run("a", "python3", "-c", "x = b'x' * (30 << 20)")
        assert exited.ending == Ending.EXIT


def test_a_shell_says_what_happened_to_its_command(program: Path, tmp_path: Path) -> None:
    (tmp_path / "greedy.py").write_text(GREEDY)
    with running(program, OC_AGENT_MEMORY_MB="200") as agent, agent.client() as client:
        _, _, exited = client.run("a", "sh", "-c", f"python3 {tmp_path}/greedy.py; exit $?")
        assert (exited.code, exited.ending) == (128 + signal.SIGKILL, Ending.MEMORY)
        _, _, exited = client.run("b", "sh", "-c", f"python3 {tmp_path}/greedy.py; exit 0")
        assert (exited.code, exited.ending) == (0, Ending.EXIT)


def test_a_session_with_too_many_processes_dies(program: Path) -> None:
    with (
        running(program, OC_AGENT_MEMORY_MB="4000", OC_AGENT_MAX_PROCESSES="40") as agent,
        agent.client() as client,
    ):
        client.start("bystander", "sh", "-c", "sleep 100000 & sleep 100000")
        script = "i=0; while [ $i -lt 80 ]; do sleep 100000 & i=$((i+1)); done; wait"
        _, _, exited = client.run("many", "sh", "-c", script)
        assert (exited.ending, exited.signal) == (Ending.MEMORY, signal.SIGKILL)
        assert client.take(0, Happened).event == Event.MEMORY_KILL
        assert still_running(client) == {"bystander"}
