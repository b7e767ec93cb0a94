"""The parts of the control plane that outlive a request, and the loops that run beside requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from oc.server.activity import FLUSH_S, Activity
from oc.server.audit import WRITE_S, Trail
from oc.server.auth import Door
from oc.server.changes import Changes
from oc.server.checkpointing import Checkpointing
from oc.server.egress import Governing
from oc.server.hosts import Worker
from oc.server.lifecycle import Lifecycle
from oc.server.loops.artifacts import Discard, Follow, Orphans
from oc.server.loops.audit import ForgetAudit
from oc.server.loops.autoscale import Autoscale
from oc.server.loops.expire import Expire
from oc.server.loops.flush import Flush
from oc.server.loops.heal import Heal
from oc.server.loops.inside import Inside
from oc.server.loops.running import Deed, Loops
from oc.server.loops.store import StoreFrozen
from oc.server.loops.together import side_by_side
from oc.server.patching import Patching
from oc.server.restores import Restores
from oc.server.scaling import Scaling
from oc.server.sleep import Sleep
from oc.server.statistics import EVERY_S, Statistics
from oc.server.vault import Vault
from oc.settings import Settings
from oc.store import setup_code
from oc.store.store import Store

PERIODS_S = {  # from the end of one turn to the next
    "heal": 2.0,
    "expire": 1.0,
    "store": 1.0,
    "follow": 1.0,
    "discard": 5.0,
    "orphans": 60.0,
    "flush": FLUSH_S,
    "statistics": EVERY_S,
    "autoscale": 30.0,
    "inside": 1.0,
    "audit": WRITE_S,
    "forget_audit": 3600.0,
}


@dataclass(frozen=True, slots=True)
class Plane:
    settings: Settings
    store: Store
    worker: Worker
    activity: Activity
    door: Door
    changes: Changes
    patching: Patching
    vault: Vault
    governing: Governing
    lifecycle: Lifecycle
    sleep: Sleep
    restores: Restores
    checkpointing: Checkpointing
    scaling: Scaling
    statistics: Statistics
    trail: Trail
    stopping: asyncio.Event  # set as soon as the server is told to stop: what would never end by itself ends then


def assemble(settings: Settings, store: Store, worker: Worker) -> Plane:
    activity, changes, most = Activity(), Changes(), settings.max_sandboxes
    patching = Patching(store, worker, activity)
    vault = Vault(settings)
    governing = Governing(store.secret_stores, store.sandboxes, vault, worker)
    lifecycle = Lifecycle(store.sandboxes, worker, changes, patching, governing, most)
    return Plane(
        settings=settings,
        store=store,
        worker=worker,
        activity=activity,
        door=Door(store.accounts),
        changes=changes,
        patching=patching,
        vault=vault,
        governing=governing,
        lifecycle=lifecycle,
        sleep=Sleep(store, worker, lifecycle, changes, patching, most),
        restores=Restores(store, worker, changes, activity),
        checkpointing=Checkpointing(store, worker, changes),
        scaling=Scaling(store, worker, changes),
        statistics=Statistics(worker),
        trail=Trail(store.audit),
        stopping=asyncio.Event(),
    )


@asynccontextmanager
async def plane(settings: Settings) -> AsyncIterator[Plane]:
    """Opens the database, runs the loops. Raises Failed, and Conflict for a database of a newer program."""
    made = assemble(settings, await Store.open(settings.database), Worker(settings.worker_socket))
    try:
        await setup_code.prepare(settings, made.store.people)
        async with loops(made):
            yield made
    finally:
        await made.patching.close()
        await made.changes.close()
        await made.worker.close()
        await made.store.close()


def loops(made: Plane) -> Loops:
    store, worker, changes, sleep = made.store, made.worker, made.changes, made.sleep
    sandboxes, lifecycle = store.sandboxes, made.lifecycle
    flush = Flush(store, made.activity, made.door)
    deeds: dict[str, Deed] = {
        "heal": Heal(sandboxes, worker, lifecycle, changes, sleep, made.restores, made.scaling),
        "expire": Expire(sandboxes, lifecycle, sleep, changes, made.activity),
        "store": StoreFrozen(store.hibernations, worker, sleep, changes, made.settings.freeze_seconds),
        "follow": Follow(store, worker, made.checkpointing, changes),
        "discard": Discard(store, worker),
        "orphans": Orphans(store, worker),
        "flush": flush,
        "statistics": made.statistics,
        "autoscale": Autoscale(store.scaling, made.scaling, made.statistics, changes),
        "inside": Inside(sandboxes, worker, made.scaling),
        "audit": made.trail.write,
        "forget_audit": ForgetAudit(store.audit, made.settings.audit_days),
    }

    async def last() -> None:
        await side_by_side([flush(), made.trail.write()])

    return Loops({name: (PERIODS_S[name], deed) for name, deed in deeds.items()}, last)
