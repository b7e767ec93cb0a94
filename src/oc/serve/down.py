"""`oc-host down`: the service, every sandbox and all that they have on this host go; the data directory stays."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from argparse import Namespace
from pathlib import Path

import structlog

from oc.host import cgroup, mounts, pool, threads
from oc.runtime.driver import Death
from oc.serve import lock, service
from oc.serve.link import unlink_commands
from oc.serve.root import need_root
from oc.serve.step import step
from oc.serve.verb import Verb
from oc.settings import Settings
from oc.worker import deeds, listening
from oc.worker.assembly import assemble
from oc.worker.journal import Record, Step
from oc.worker.network import Network
from oc.worker.parts import Parts
from oc.worker.sandbox import Sandbox

GRACE_S = 30.0
AT_ONCE = 8
DEATH = Death("the host was taken down (oc-host down)")


def run(settings: Settings, _: Namespace) -> int:
    need_root(settings, "oc-host down")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # the steps say the rest
    with step("Service", "server and worker are stopped first, so that nothing is made behind our back"):
        service.remove(settings)
        for role in ("service", "server", "egress", "worker"):
            lock.of(settings.run_dir, role).end_holder(GRACE_S)
    with step("Sandboxes", "each is ended, with its processes, network and mounts"):
        asyncio.run(_clear(settings))
    unlink_commands(settings)
    print(f"\nNothing is left but {settings.data_dir}. To remove that too: rm -rf {settings.data_dir}")
    return 0


async def _clear(settings: Settings) -> None:
    if settings.data_dir.exists():
        listening.lock(settings.data_dir / "worker")
        await _end_sandboxes(assemble(settings))
    if os.geteuid() == 0:
        await Network(settings).clear()
        await cgroup.remove_all(settings.instance)
    for point in mounts.under(settings.run_dir):
        await mounts.unmount(point)
    if settings.data_dir.exists():
        await pool.release(settings.data_dir / "pool")
    await threads.call(_remove_tree, settings.run_dir)


async def _end_sandboxes(parts: Parts) -> None:
    """All of them are tried; raises what the first that failed raised."""
    records = await threads.call(parts.journal.open)
    found = await parts.driver.running() | await parts.network.present() | await parts.disks.mounted()
    gate = asyncio.Semaphore(AT_ONCE)

    async def end(id: str) -> None:
        async with gate:
            record = records.get(id, Record.of_unknown(id, Step.REMOVING))
            await _end(Sandbox(id, parts, record), record)

    results = await asyncio.gather(*map(end, records.keys() | found), return_exceptions=True)
    for error in results:
        if isinstance(error, BaseException):
            raise error


async def _end(sandbox: Sandbox, record: Record) -> None:
    """One that ran keeps its disk and its record, which says of what it died; one that was half-made goes wholly."""
    await (deeds.lose(sandbox, DEATH) if record.step is Step.RUNNING else deeds.adopt(sandbox))


def _remove_tree(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)


VERB = Verb(run)
