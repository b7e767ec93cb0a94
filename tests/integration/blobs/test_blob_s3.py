"""The blob store on a real S3 server, and on one that is away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from oc.blobs.errors import BlobUnavailable
from oc.blobs.manifest import CHUNK
from oc.blobs.store import Base, BlobStore, open_store
from tests.integration.blobs.s3 import SECRET, S3Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        server.make_bucket("bucket")
        yield server
    finally:
        server.stop()


@pytest.fixture
def store(server: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> BlobStore:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return open_store(f"s3://bucket/{request.node.name}", patience_s=60)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(random.Random(1).randbytes(12 * CHUNK) + bytes(CHUNK))
    return path


def test_artifact_goes_and_comes_back(store: BlobStore, disk: Path, tmp_path: Path) -> None:
    async def work() -> None:
        first = await store.put("one", {"disk": disk})
        again = await store.put("two", {"disk": disk}, Base("one"))
        assert first.plain == again.plain == 12 * CHUNK
        assert again.stored == 0
        await store.fetch("two", tmp_path / "out")
        assert await store.names() == {"one", "two"}
        await store.delete("one")
        await store.delete("one")
        assert await store.sweep(keep_s=-1) == 0
        assert await store.names() == {"two"}

    asyncio.run(work())
    assert (tmp_path / "out" / "disk").read_bytes() == disk.read_bytes()


def test_server_that_is_away_is_waited_for(server: S3Server, store: BlobStore, disk: Path, tmp_path: Path) -> None:
    async def work() -> None:
        server.stop()
        put = asyncio.ensure_future(store.put("late", {"disk": disk}))
        done, _ = await asyncio.wait([put], timeout=1)
        assert not done
        await asyncio.to_thread(server.serve)
        await put
        await store.fetch("late", tmp_path / "out")

    asyncio.run(work())
    assert (tmp_path / "out" / "disk").read_bytes() == disk.read_bytes()


def test_wrong_credentials_are_said_at_once_and_not_shown(
    server: S3Server, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-" + SECRET)
    store = open_store("s3://bucket/refused", patience_s=600)
    with pytest.raises(BlobUnavailable, match="credentials") as error:
        asyncio.run(store.put("one", {"disk": disk}))
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None
