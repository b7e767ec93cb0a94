"""Programs: the only way in which they are started and waited for.

Each runs in a thread of its own (asyncio's children need a watcher that has deadlocked a worker), in its own session,
with nothing to read unless it is given input.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from oc.host import children, threads
from oc.host.children import become_subreaper, reap_orphans
from oc.model.errors import Failed

__all__ = ["Completed", "ProgramFailed", "become_subreaper", "reap_orphans", "run"]

KEPT_BYTES = 1 << 20  # of each of stdout and stderr: the last ones
CHUNK_BYTES = 1 << 16
LAST_LINES = 5  # of its words, in an error
DEATH_S = 10  # between SIGKILL and the end of a process that is not stuck in the kernel


@dataclass(frozen=True, slots=True)
class Completed:
    code: int  # negative: killed by that signal
    out: bytes
    err: bytes


class ProgramFailed(Failed):
    """A program ended with a code that its caller did not allow, took too long or is not there."""

    def __init__(self, text: str, completed: Completed | None = None, *, hint: str | None = None) -> None:
        super().__init__(text, hint=hint)
        self.completed = completed


async def run(
    *argv: str | Path,
    input: bytes | None = None,
    timeout_s: float = 60,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    ok: Container[int] = (0,),
) -> Completed:
    """Runs a program to its end and returns its code and the last MiB of each of its outputs.

    Descendants that keep its output open after it has ended (daemons) are not waited for. On timeout and on
    cancellation the whole process group is killed and the program reaped before this returns. Raises ProgramFailed.
    """
    command = [str(argument) for argument in argv]
    with _event() as stop:
        work = _in_thread(lambda: _Running(command, input, timeout_s, env, cwd, stop).completed())
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            os.eventfd_write(stop, 1)
            await threads.settled(work)
            raise
    completed = work.result()
    if completed.code not in ok:
        raise ProgramFailed(_story(command, completed), completed)
    return completed


def _story(command: list[str], completed: Completed) -> str:
    lines = (completed.err.strip() or completed.out.strip()).decode(errors="replace").splitlines()[-LAST_LINES:]
    ended = f"failed with code {completed.code}" if completed.code >= 0 else f"was killed by signal {-completed.code}"
    return ": ".join([f"{Path(command[0]).name} {ended}", *([" | ".join(lines)] if lines else [])])


def _in_thread(function: Callable[[], Completed]) -> asyncio.Future[Completed]:
    """A thread per program: programs may take minutes, and would starve the loop's few executor threads."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Completed] = loop.create_future()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # handed over, not swallowed
            loop.call_soon_threadsafe(future.set_exception, error)
        else:
            loop.call_soon_threadsafe(future.set_result, result)

    threading.Thread(target=work, name="program").start()
    return future


@contextlib.contextmanager
def _event() -> Iterator[int]:
    fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        yield fd
    finally:
        os.close(fd)


class _Running:
    """One program, all in one thread: nobody else can signal a pid that has been reaped."""

    def __init__(
        self,
        command: list[str],
        input: bytes | None,
        timeout_s: float,
        env: Mapping[str, str] | None,
        cwd: Path | None,
        stop: int,
    ) -> None:
        self.command = command
        self.name = Path(command[0]).name
        self.input = memoryview(input or b"")
        self.timeout_s = timeout_s
        self.deadline = time.monotonic() + timeout_s
        self.stop = stop
        self.child = self._start(input is not None, env, cwd)
        self.kept = {pipe.fileno(): bytearray() for pipe in (self.child.stdout, self.child.stderr) if pipe}

    def _start(self, fed: bool, env: Mapping[str, str] | None, cwd: Path | None) -> subprocess.Popen[bytes]:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # of this thread: a child inherits its starter's mask
        try:
            return children.start(
                self.command,
                stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            text = f"cannot start {self.command[0]}: {error.strerror}"
            raise ProgramFailed(text, hint=f"is {self.name} installed?") from error

    def completed(self) -> Completed:
        pidfd = os.pidfd_open(self.child.pid)
        try:
            with selectors.DefaultSelector() as selector:
                self._register(selector, pidfd)
                self._pump(selector, pidfd)
            for fd in self.kept:
                self._drain(fd)
            out, err = map(bytes, self.kept.values())
            return Completed(children.wait(self.child), out, err)
        except BaseException:
            self._kill()
            raise
        finally:
            os.close(pidfd)
            for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
                _close(pipe)

    def _register(self, selector: selectors.BaseSelector, pidfd: int) -> None:
        selector.register(pidfd, selectors.EVENT_READ)
        selector.register(self.stop, selectors.EVENT_READ)
        for fd in self.kept:
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ)
        if self.child.stdin is not None:
            os.set_blocking(self.child.stdin.fileno(), False)
            selector.register(self.child.stdin.fileno(), selectors.EVENT_WRITE)

    def _pump(self, selector: selectors.BaseSelector, pidfd: int) -> None:
        """Until the program has ended. Raises ProgramFailed on timeout and when it is told to stop."""
        while True:
            ready = {key.fd for key, _ in selector.select(max(0, self.deadline - time.monotonic()))}
            if self.stop in ready:
                raise ProgramFailed(f"{self.name} was stopped")
            if pidfd in ready:
                return
            if time.monotonic() >= self.deadline:
                raise ProgramFailed(f"{self.name} did not end within {self.timeout_s:g} s")
            for fd in ready:
                over = self._read(fd) if fd in self.kept else self._feed(fd)
                if over:
                    selector.unregister(fd)
                    if fd not in self.kept:
                        _close(self.child.stdin)

    def _feed(self, fd: int) -> bool:
        """Gives one chunk of the input; true when there is no more to give."""
        try:
            self.input = self.input[os.write(fd, self.input[:CHUNK_BYTES]) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:  # its reader does not want the rest; its exit code will say whether that is right
            return True
        return not self.input

    def _read(self, fd: int) -> bool:
        """Takes one chunk; true at the end of the stream."""
        chunk = os.read(fd, CHUNK_BYTES)
        self.kept[fd] += chunk
        del self.kept[fd][:-KEPT_BYTES]
        return not chunk

    def _drain(self, fd: int) -> None:
        """What was written before the end, and no more than a pipe holds: a daemon could write for ever."""
        with contextlib.suppress(BlockingIOError):  # it is empty
            for _ in range(KEPT_BYTES // CHUNK_BYTES):
                if self._read(fd):
                    return

    def _kill(self) -> None:
        """The process group, while its leader is not yet reaped: until then its number is not given to another."""
        if self.child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):  # all of it has gone by itself
            os.killpg(self.child.pid, signal.SIGKILL)
        try:
            children.wait(self.child, DEATH_S)
        except subprocess.TimeoutExpired as error:
            raise ProgramFailed(f"{self.name} cannot be killed: it is stuck in the kernel") from error


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(BrokenPipeError):  # nothing is buffered that anybody wants
            pipe.close()
