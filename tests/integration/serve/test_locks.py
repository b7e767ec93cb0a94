"""One process per role; the lock tells who, and goes with its holder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oc.model.errors import Conflict
from oc.serve.lock import Lock

HOLD = """
import signal, sys
from pathlib import Path
from oc.serve.lock import Lock
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
Lock(Path(sys.argv[1])).hold()
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path, manner: str = "polite") -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-c", HOLD, str(path), manner]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_holder_is_named_to_whoever_comes_second(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "worker.lock")
    with holder(lock.path) as process:
        assert lock.holder() == process.pid
        with pytest.raises(Conflict, match=f"worker runs already, as process {process.pid}"):
            lock.hold()


def test_lock_goes_with_its_holder(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "worker.lock")
    with holder(lock.path) as process:
        process.kill()
        process.wait()
        assert lock.holder() is None
        os.close(lock.hold())


@pytest.mark.parametrize(("manner", "grace_s", "code"), [("polite", 60.0, -15), ("stubborn", 0.1, -9)])
def test_holder_is_asked_to_end_and_then_killed(tmp_path: Path, manner: str, grace_s: float, code: int) -> None:
    lock = Lock(tmp_path / "worker.lock")
    with holder(lock.path, manner) as process:
        assert lock.end_holder(grace_s)
        assert process.wait() == code
    assert not lock.end_holder(grace_s)


def test_number_in_a_file_that_nobody_holds_is_not_signalled(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "worker.lock")
    with holder(tmp_path / "other.lock") as innocent:
        lock.path.write_text(f"{innocent.pid}\n")
        assert not lock.end_holder(1)
        assert innocent.poll() is None
