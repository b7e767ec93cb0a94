"""The parts of the control plane that outlive a request, and the loops that run beside requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from oc.server.activity import FLUSH_S, Activity
from oc.server.auth import Door
from oc.server.changes import Changes
from oc.server.checkpointing import Checkpointing
from oc.server.hosts import Worker
from oc.server.lifecycle import Lifecycle
from oc.server.loops.artifacts import Discard, Follow, Orphans
from oc.server.loops.expire import Expire
from oc.server.loops.flush import Flush
from oc.server.loops.heal import Heal
from oc.server.loops.running import Deed, Loops
from oc.server.loops.store import StoreFrozen
from oc.server.patching import Patching
from oc.server.restores import Restores
from oc.server.sleep import Sleep
from oc.settings import Settings
from oc.store.store import Store


@dataclass(frozen=True, slots=True)
class Plane:
    settings: Settings
    store: Store
    worker: Worker
    activity: Activity
    door: Door
    changes: Changes
    patching: Patching
    lifecycle: Lifecycle
    sleep: Sleep
    restores: Restores
    checkpointing: Checkpointing


def assemble(settings: Settings, store: Store, worker: Worker) -> Plane:
    activity, changes, most = Activity(), Changes(), settings.max_sandboxes
    patching = Patching(store, worker, activity)
    lifecycle = Lifecycle(store.sandboxes, worker, changes, patching, most)
    return Plane(
        settings=settings,
        store=store,
        worker=worker,
        activity=activity,
        door=Door(store.accounts),
        changes=changes,
        patching=patching,
        lifecycle=lifecycle,
        sleep=Sleep(store, worker, lifecycle, changes, patching, most),
        restores=Restores(store, worker, changes, activity),
        checkpointing=Checkpointing(store, worker, changes),
    )


@asynccontextmanager
async def plane(settings: Settings) -> AsyncIterator[Plane]:
    """Opens the database, runs the loops. Raises Failed, and Conflict for a database of a newer program."""
    made = assemble(settings, await Store.open(settings.database), Worker(settings.worker_socket))
    try:
        async with loops(made):
            yield made
    finally:
        await made.patching.close()
        await made.changes.close()
        await made.worker.close()
        await made.store.close()


def loops(made: Plane) -> Loops:
    """Each with its seconds from one turn to the next."""
    store, worker, changes, sleep = made.store, made.worker, made.changes, made.sleep
    sandboxes, lifecycle = store.sandboxes, made.lifecycle
    flush = Flush(store, made.activity, made.door)
    deeds: dict[str, tuple[float, Deed]] = {
        "heal": (2.0, Heal(sandboxes, worker, lifecycle, changes, sleep, made.restores)),
        "expire": (1.0, Expire(sandboxes, lifecycle, sleep, changes, made.activity)),
        "store": (1.0, StoreFrozen(store.hibernations, worker, sleep, changes, made.settings.freeze_seconds)),
        "follow": (1.0, Follow(store, worker, made.checkpointing, changes)),
        "discard": (5.0, Discard(store, worker)),
        "orphans": (60.0, Orphans(store, worker)),
        "flush": (FLUSH_S, flush),
    }
    return Loops(deeds, flush)
