"""What a program gets from the agent, and what is said when it cannot be started."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
from pathlib import Path

import pytest

from oc.wire.messages import Configure, Ending, Exited
from tests.integration.agent.client import Client, starting
from tests.integration.agent.process import Agent, running

RT_SIGACTION = {"x86_64": 13, "aarch64": 134}[platform.machine()]


def variables(client: Client, session: str, **fields: object) -> dict[str, str]:
    out, _, _ = client.run(session, "env", "-0", **fields)
    return dict(text.split("=", 1) for text in out.decode().split("\0") if text)


def test_both_outputs_and_the_exit_code(client: Client) -> None:
    out, err, exited = client.run("a", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (out, err, exited) == (b"out\n", b"err\n", Exited(3, Ending.EXIT, 0))


def test_environment_later_wins(client: Client) -> None:
    client.do(Configure(0, b"", "", b"", ("SHARED=1", "BOTH=shared", "LANG=shared")))
    seen = variables(client, "a", env=("BOTH=own", "OWN=2"))
    assert seen["PATH"].startswith("/usr/local/bin:/usr/local/sbin:")
    assert {name: seen[name] for name in ("HOME", "USER", "LOGNAME")} == {
        "HOME": "/root",
        "USER": "root",
        "LOGNAME": "root",
    }
    assert {name: seen[name] for name in ("SHARED", "BOTH", "LANG", "OWN")} == {
        "SHARED": "1",
        "BOTH": "own",
        "LANG": "shared",
        "OWN": "2",
    }
    client.do(Configure(0, b"", "", b"", ()))
    assert "SHARED" not in variables(client, "b")


def test_token_is_seen_by_nobody(agent: Agent, client: Client) -> None:
    environ = Path(f"/proc/{agent.process.pid}/environ").read_bytes()
    assert agent.token.hex().encode() not in environ
    assert not any("TOKEN" in name for name in variables(client, "a"))


def test_user_by_name_and_by_number(client: Client) -> None:
    assert client.run("a", "sh", "-c", "id -u; id -g; id -G; pwd", user="nobody", cwd="/")[0].split()[0] != b"0"
    out, _, _ = client.run("b", "sh", "-c", "id -u; id -g; id -G; pwd", user="4321")
    assert out == b"4321\n4321\n4321\n/\n"
    assert client.failure(starting("c", "true", user="no-such-user")).errno == errno.EINVAL


def test_root_starts_in_its_home_or_where_it_is_told(client: Client, tmp_path: Path) -> None:
    assert client.run("a", "pwd")[0] == b"/root\n"
    assert client.run("b", "pwd", cwd=str(tmp_path))[0].decode().strip() == str(tmp_path)


def test_nothing_of_the_agent_leaks(client: Client) -> None:
    out, _, _ = client.run("a", "ls", "/proc/self/fd")
    assert out.split() == [b"0", b"1", b"2", b"3"]  # 3 is the directory that ls reads
    assert client.run("b", "readlink", "/proc/self/fd/0")[0] == b"/dev/null\n"


def test_leads_its_own_session_and_group(client: Client) -> None:
    out, _, _ = client.run("a", "sh", "-c", "cut -d' ' -f1,5,6 /proc/$$/stat")
    assert len(set(out.split())) == 1


def spoil_signals() -> None:
    """As odd parents leave them: real-time signals ignored that glibc lets nobody touch, others blocked."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD})
    ignore = (ctypes.c_uint64 * 4)(1, 0, 0, 0)
    for number in (32, 33):
        ctypes.CDLL(None).syscall(RT_SIGACTION, number, ignore, None, 8)
    os.umask(0)


def test_signals_and_umask_are_fresh_whatever_the_agent_inherited(program: Path) -> None:
    with running(program, spoil_signals) as agent, agent.client() as client:
        status, _, _ = client.run("a", "cat", "/proc/self/status")
        masks = dict(line.split(b":\t", 1) for line in status.splitlines() if b":\t" in line)
        assert {name: int(masks[name], 16) for name in (b"SigIgn", b"SigBlk")} == {b"SigIgn": 0, b"SigBlk": 0}
        assert masks[b"Umask"] == b"0022"


@pytest.mark.parametrize(
    ("argv", "fields", "number", "word"),
    [
        (("no-such-program",), {}, errno.ENOENT, "no-such-program"),
        (("/etc/passwd",), {}, errno.EACCES, "/etc/passwd"),
        (("true",), {"cwd": "/no/such/directory"}, errno.ENOENT, "/no/such/directory"),
        (("true",), {"env": ("NO_VALUE",)}, errno.EINVAL, "NAME=value"),
        ((), {}, errno.EINVAL, "program"),
        (("",), {}, errno.ENOENT, ""),
    ],
    ids=["program", "permission", "directory", "environment", "nothing", "empty"],
)
def test_failure_names_its_cause(
    client: Client, argv: tuple[str, ...], fields: dict[str, object], number: int, word: str
) -> None:
    failed = client.failure(starting("a", *argv, **fields))
    assert failed.errno == number
    assert word in failed.text
    assert client.run("a", "true")[2].code == 0  # the name is free again


def test_script_without_interpreter_runs_in_a_shell(client: Client, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text('echo "$0 $1"\n')
    script.chmod(0o755)
    out, _, _ = client.run("a", str(script), "argument")
    assert out.decode() == f"{script} argument\n"
    assert client.run("b", "script", "x", env=(f"PATH={tmp_path}:/bin",))[0].decode() == f"{script} x\n"


def test_descendants_end_with_the_agent(program: Path, tmp_path: Path) -> None:
    with running(program) as agent, agent.client() as client:
        script = f"setsid sleep 100000 & echo $! > {tmp_path}/pid; echo started"
        client.run("a", "sh", "-c", script)
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
