"""Which parts a worker is put together from, by its `runtime` setting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypedDict

from oc.blobs.store import open_store
from oc.host import pool
from oc.runtime.fake.disks import NoImages, PlainDisks
from oc.runtime.fake.driver import FakeDriver
from oc.runtime.fake.network import NoNetwork
from oc.runtime.gvisor.driver import GvisorDriver
from oc.settings import Settings
from oc.worker.disks import Disks
from oc.worker.images import Images
from oc.worker.journal import Journal
from oc.worker.network import Network
from oc.worker.parts import Parts
from oc.worker.shelf import Shelf
from oc.worker.storing import Storing


class Artifacts(TypedDict):
    shelf: Shelf
    storing: Storing


def _fake(settings: Settings) -> Parts:
    directory, roots = settings.data_dir / "pool", settings.run_dir / "roots"

    async def open_pool() -> None:
        directory.mkdir(parents=True, exist_ok=True)

    return Parts(
        driver=FakeDriver(settings.agent, settings.run_dir / "fake"),
        network=NoNetwork(settings.run_dir / "network"),
        disks=PlainDisks(directory / "disks", roots),
        images=NoImages(),
        journal=_journal(settings),
        **_artifacts(settings),
        pool=directory,
        roots=roots,
        disk_reserve_mb=settings.disk_reserve_mb,
        region=settings.region,
        open_pool=open_pool,
    )


def _gvisor(settings: Settings) -> Parts:
    images = Images(settings)
    directory = settings.data_dir / "pool"
    return Parts(
        driver=GvisorDriver(settings.run_dir, settings.instance),
        network=Network(settings),
        disks=Disks(settings, images),
        images=images,
        journal=_journal(settings),
        **_artifacts(settings),
        pool=directory,
        roots=settings.run_dir / "roots",
        disk_reserve_mb=settings.disk_reserve_mb,
        region=settings.region,
        open_pool=partial(pool.ensure, directory, settings.pool_mb),
    )


def _journal(settings: Settings) -> Journal:
    return Journal(settings.data_dir / "worker" / "sandboxes")


def _artifacts(settings: Settings) -> Artifacts:
    shelf = Shelf(settings.data_dir / "pool" / "artifacts")
    blobs = open_store(settings.blobs or str(settings.data_dir / "blobs"))
    return {
        "shelf": shelf,
        "storing": Storing(shelf, blobs, settings.data_dir / "pool" / "templates", settings.artifact_cache_mb << 20),
    }


RUNTIMES: dict[str, Callable[[Settings], Parts]] = {"auto": _gvisor, "gvisor": _gvisor, "fake": _fake}


def assemble(settings: Settings) -> Parts:
    return RUNTIMES[settings.runtime](settings)
