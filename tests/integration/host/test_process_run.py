"""Starting programs: what they get, what is kept, and that none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from oc.host import children, process

PATIENCE_S = 60


def test_input_output_and_code() -> None:
    big = os.urandom(1 << 19)
    ran = asyncio.run(process.run("sh", "-c", "cat; echo words >&2; exit 3", input=big, ok=(3,)))
    assert (ran.code, ran.out, ran.err) == (3, big, b"words\n")


def test_output_is_bounded_and_its_end_is_kept() -> None:
    ran = asyncio.run(process.run("sh", "-c", "head -c 3000000 /dev/zero; echo the end"))
    assert len(ran.out) == process.KEPT_BYTES
    assert ran.out.endswith(b"the end\n")


def test_a_failure_tells_the_program_its_code_and_its_words() -> None:
    with pytest.raises(process.ProgramFailed, match=r"^sh failed with code 7: no such luck$"):
        asyncio.run(process.run("sh", "-c", "echo no such luck >&2; exit 7"))
    with pytest.raises(process.ProgramFailed, match="killed by signal 9"):
        asyncio.run(process.run("sh", "-c", "kill -KILL $$"))
    with pytest.raises(process.ProgramFailed, match="cannot start no-such-program"):
        asyncio.run(process.run("no-such-program"))


def test_unread_input_is_no_failure() -> None:
    assert asyncio.run(process.run("true", input=bytes(1 << 20))).code == 0


def test_a_daemon_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/pid; echo started"
    ran = asyncio.run(process.run("sh", "-c", script, timeout_s=PATIENCE_S))
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert ran.out == b"started\n"


def _group_script(fifo: Path) -> str:
    """A program with a child; both hold the fifo open, so its reader sees the end when both have died."""
    return f"exec 9> {fifo}; sleep 1000 & echo ready >&9; wait"


def test_a_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    told: list[bytes] = []
    reader = threading.Thread(target=lambda: told.append(fifo.read_bytes()))
    reader.start()
    with pytest.raises(process.ProgramFailed, match="did not end within 2 s"):
        asyncio.run(process.run("sh", "-c", f": > {fifo}; sleep 1000 & wait", timeout_s=2))
    reader.join(PATIENCE_S)
    assert told


def test_a_cancellation_kills_the_whole_group_before_it_is_over(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def work() -> None:
        task = asyncio.create_task(process.run("sh", "-c", _group_script(fifo)))
        with await asyncio.to_thread(fifo.open, "rb") as pipe:
            assert await asyncio.to_thread(pipe.readline) == b"ready\n"
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.wait_for(asyncio.to_thread(pipe.read), PATIENCE_S) == b""

    asyncio.run(work())
    assert not [thread for thread in threading.enumerate() if thread.name == "program"]


def test_many_at_once() -> None:
    async def work() -> list[process.Completed]:
        return await asyncio.gather(*(process.run("sh", "-c", f"echo {n}") for n in range(30)))

    assert [int(ran.out) for ran in asyncio.run(work())] == list(range(30))


SUBREAPER = """
import asyncio, os
from oc.host import process

def alive_or_dead():
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True

async def main():
    process.become_subreaper()
    reaper = asyncio.create_task(process.reap_orphans())
    codes = []
    for n in range(40):
        codes.append((await process.run("sh", "-c", f"sh -c 'sleep 0.1; exit 9' & exit {n}", ok=range(256))).code)
    orphans = 0
    while alive_or_dead():
        orphans += 1
        await asyncio.sleep(0.01)
    reaper.cancel()
    print(codes == list(range(40)), orphans > 0)

asyncio.run(asyncio.wait_for(main(), 120))
"""


def test_a_subreaper_reaps_orphans_and_never_loses_a_code() -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", SUBREAPER]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert ran.stdout == "True True\n", ran.stderr


def test_an_owned_child_is_left_to_its_owner() -> None:
    child = children.start(["sh", "-c", "exit 5"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    children.reap()
    assert children.wait(child) == 5
