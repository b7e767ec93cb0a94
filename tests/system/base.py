"""The base image, made once for all test sessions of a checkout: minutes the first time, then nothing."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from oc.host import pool
from oc.serve import egress
from oc.settings import Settings
from oc.worker.images import Images

BUILD = Path(__file__).resolve().parents[2] / "build"
SIZE_MB = 32768  # sparse
DISK_MB = 4096


def shared_pool() -> Path:
    """A data directory, on a file system that clones, whose `pool/templates` are ready."""
    shared_images()
    return BUILD / "pool"


def shared_images() -> Images:
    """The images of that pool, ready."""
    BUILD.mkdir(exist_ok=True)
    settings = Settings(data_dir=BUILD / "pool", run_dir=Path("/run/opencomputer-test"), default_disk_mb=DISK_MB)
    with (BUILD / "pool.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other pytest-xdist workers and sessions wait here
        return asyncio.run(_ready(settings))


async def _ready(settings: Settings) -> Images:
    await pool.ensure(settings.data_dir, SIZE_MB)
    settings.egress_state.mkdir(mode=0o711, exist_ok=True)
    os.chown(settings.egress_state, settings.egress_uid, settings.egress_uid)
    egress.prepare(settings)  # one authority for all stacks, as it is in their base image
    images = Images(settings)
    await images.ensure(lambda text: print(text, flush=True))
    return images
