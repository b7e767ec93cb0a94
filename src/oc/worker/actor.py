"""One task owns one sandbox: deeds wait in a queue and are done one after another, so none sees another half-way."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, TypeVar

import structlog

from oc.model.artifact import Artifact
from oc.model.errors import Conflict, OpenComputerError, Unavailable
from oc.model.sandbox import Checkpoint, Observed, Spec
from oc.runtime.driver import Death
from oc.worker import deeds, restores, saves, scaling, sleep
from oc.worker.agent.link import Link
from oc.worker.journal import Step
from oc.worker.sandbox import Sandbox

log = structlog.get_logger()

T = TypeVar("T")

AGAIN_S = 5.0  # between attempts at a removal that fails

UNFINISHED = {Step.MAKING, Step.REMOVING, Step.RESTORING, Step.REBOOTING}


class Deed(Generic[T]):
    """Something to be done to a sandbox. Goes on when its caller no longer waits."""

    def __init__(self, name: str, id: str, act: Callable[[], Awaitable[T]], spec: Spec | None = None) -> None:
        self.name = name
        self.id = id
        self.spec = spec
        self._act = act
        self._context = contextvars.copy_context()  # its log lines carry the request's id
        self._done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._done.add_done_callback(lambda done: done.exception())  # seen: the caller may be gone
        self._task: asyncio.Task[T] | None = None
        self._cancelled: OpenComputerError | None = None

    async def wait(self) -> T:
        return await asyncio.shield(self._done)

    async def settled(self) -> None:
        await asyncio.wait([self._done])

    def cancel(self, reason: OpenComputerError) -> None:
        """Its callers are told the reason, once what it has begun is undone."""
        self._cancelled = reason
        if self._task is not None:
            self._task.cancel()

    async def perform(self) -> None:
        started = time.monotonic()
        if self._cancelled is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), context=self._context)
            await asyncio.wait([self._task])
        self._settle()
        ms = round(1000 * (time.monotonic() - started))
        self._context.run(log.info, self.name, sandbox=self.id, outcome=self._outcome(), ms=ms)

    async def _run(self) -> T:
        return await self._act()

    def _settle(self) -> None:
        if self._task is None or self._task.cancelled():
            self._done.set_exception(self._cancelled or Unavailable("the worker is stopping"))
        elif (error := self._task.exception()) is not None:
            self._done.set_exception(error)
        else:
            self._done.set_result(self._task.result())

    def _outcome(self) -> str:
        error = self._done.exception()
        return "done" if error is None else f"{type(error).__name__}: {error}"


class Actor:
    """Every call may be made at any time, any number of times; `gone` is told when nothing is left of the sandbox."""

    def __init__(self, sandbox: Sandbox, gone: Callable[[Actor], None]) -> None:
        self.sandbox = sandbox
        self._gone = gone
        self._queue: deque[Deed[Any]] = deque()
        self._current: Deed[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = 0.0

    @property
    def busy(self) -> bool:
        return self._task is not None

    # --- deeds ---

    async def ensure(self, spec: Spec) -> Observed:
        """As `deeds.ensure`; one that is under way with the same spec is joined."""
        return await self._do("ensure", partial(deeds.ensure, self.sandbox, spec), spec)

    async def remove(self) -> None:
        """Ends a create that is under way, then removes all."""
        for deed in self._pending():
            if deed.name == "ensure":
                deed.cancel(Conflict(f"sandbox {self.sandbox.id} was removed while it was being created"))
        await self._do("remove", partial(deeds.remove, self.sandbox))

    async def adopt(self) -> None:
        await self._do("adopt", partial(deeds.adopt, self.sandbox))

    async def lose(self, death: Death) -> None:
        await self._do("lose", partial(deeds.lose, self.sandbox, death))

    async def save(self, artifact: str, memory: bool) -> Artifact:
        return await self._do(f"checkpoint {artifact}", partial(saves.checkpoint, self.sandbox, artifact, memory))

    async def hibernate(self, artifact: str) -> Artifact:
        return await self._do(f"hibernate {artifact}", partial(sleep.hibernate, self.sandbox, artifact))

    async def restore(self, origin: Checkpoint) -> Observed:
        return await self._do(f"restore {origin.id}", partial(restores.restore, self.sandbox, origin))

    async def reboot(self) -> Observed:
        return await self._do("reboot", partial(restores.reboot, self.sandbox))

    async def resize(self, cpus: float, memory_mb: int) -> Observed:
        return await self._do(f"resize {cpus:g} {memory_mb}", partial(scaling.resize, self.sandbox, cpus, memory_mb))

    async def freeze(self) -> Observed:
        return await self._do("freeze", partial(saves.freeze, self.sandbox))

    # --- between deeds ---

    async def link(self) -> Link:
        """The link to the agent, after what is under way. Raises NotFound, Gone and Unavailable."""
        for deed in self._pending():
            await deed.settled()
        if self.sandbox.running and self.sandbox.cut:  # most often it died, which `connected` would be slow to find out
            await self.check()
        try:
            return await self.sandbox.connected()
        except Unavailable:
            await self.check()
            if self.sandbox.running:
                raise
            raise self.sandbox.absence() from None

    async def check(self) -> None:
        """Looks whether the sandbox still runs, and finishes what a failure left undone."""
        if self.busy or self.sandbox.record is None:
            return
        step = self.sandbox.record.step
        if step in UNFINISHED:
            if time.monotonic() >= self._again:
                self._again = time.monotonic() + AGAIN_S
                await self.adopt()
        elif step is not Step.LOST and (death := await self.sandbox.parts.driver.alive(self.sandbox.id)) is not None:
            await self.lose(death)

    async def close(self) -> None:
        """Ends what is under way, lets go of the sandbox and leaves it running."""
        for deed in self._pending():
            deed.cancel(Unavailable("the worker is stopping"))
        if self._task is not None:
            await self._task
        await self.sandbox.disconnect()

    # --- the queue ---

    def _pending(self) -> list[Deed[Any]]:
        return [*([self._current] if self._current is not None else []), *self._queue]

    async def _do(self, name: str, act: Callable[[], Awaitable[T]], spec: Spec | None = None) -> T:
        """Puts a deed in the queue. If the last one there is the same, it is joined."""
        last = self._pending()[-1:]
        if last and (last[0].name, last[0].spec) == (name, spec):
            return await last[0].wait()  # type: ignore[no-any-return]
        deed = Deed(name, self.sandbox.id, act, spec)
        self._queue.append(deed)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=self.sandbox.id)
        return await deed.wait()

    async def _work(self) -> None:
        while self._queue:
            self._current = self._queue.popleft()
            await self._current.perform()
        self._current = self._task = None
        if self.sandbox.record is None:
            self._gone(self)
