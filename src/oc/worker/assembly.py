"""Which parts a worker is put together from, by its `runtime` setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from oc.blobs.store import open_store
from oc.runtime.fake.disks import NoImages, PlainDisks
from oc.runtime.fake.driver import FakeDriver
from oc.runtime.fake.network import NoNetwork
from oc.settings import Settings
from oc.worker.journal import Journal
from oc.worker.parts import Parts
from oc.worker.shelf import Shelf
from oc.worker.storing import Storing


class Artifacts(TypedDict):
    shelf: Shelf
    storing: Storing


def _fake(settings: Settings) -> Parts:
    pool, roots = settings.data_dir / "pool", settings.run_dir / "roots"
    pool.mkdir(parents=True, exist_ok=True)
    return Parts(
        driver=FakeDriver(settings.agent, settings.run_dir / "fake"),
        network=NoNetwork(settings.run_dir / "network"),
        disks=PlainDisks(pool / "disks", roots),
        images=NoImages(),
        journal=_journal(settings),
        **_artifacts(settings),
        pool=pool,
        roots=roots,
        disk_reserve_mb=settings.disk_reserve_mb,
    )


def _journal(settings: Settings) -> Journal:
    return Journal(settings.data_dir / "worker" / "sandboxes")


def _artifacts(settings: Settings) -> Artifacts:
    shelf = Shelf(settings.data_dir / "pool" / "artifacts")
    blobs = open_store(settings.blobs or str(settings.data_dir / "blobs"))
    return {"shelf": shelf, "storing": Storing(shelf, blobs, settings.artifact_cache_mb << 20)}


RUNTIMES: dict[str, Callable[[Settings], Parts]] = {"fake": _fake}


def assemble(settings: Settings) -> Parts:
    return RUNTIMES[settings.runtime](settings)
