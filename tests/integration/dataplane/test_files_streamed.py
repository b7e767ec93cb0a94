"""Files over a real agent."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oc.runtime.driver import Endpoint
from oc.worker.files import LARGEST
from tests.integration.dataplane.stand import ID, Stand, on_stand

FILES = f"/sandboxes/{ID}/files"


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 100_000):
        yield data[at : at + 100_000]


def test_what_is_put_is_got(agent: Endpoint, tmp_path: Path) -> None:
    data = os.urandom(5 << 20)

    async def work(stand: Stand) -> None:
        path = str(tmp_path / "deep" / "er" / "file")
        put = await stand.http.put(FILES, params={"path": path}, content=pieces(data))
        assert (put.status_code, put.content) == (204, b"")
        assert Path(path).stat().st_mode & 0o777 == 0o644
        got = await stand.get("files", path=path)
        assert got.headers["content-length"] == str(len(data))
        assert hashlib.sha256(got.content).digest() == hashlib.sha256(data).digest()
        assert (await stand.http.put(FILES, params={"path": path}, content=b"")).status_code == 204
        assert (await stand.get("files", path=path)).content == b""
        assert (await stand.get("files", path="/proc/self/status")).content.startswith(b"Name:")

    on_stand(agent, work)


def test_what_is_not_a_file_is_404(agent: Endpoint, tmp_path: Path) -> None:
    async def work(stand: Stand) -> None:
        for path in (tmp_path, tmp_path / "nothing", tmp_path / "nothing" / "below"):
            answer = await stand.get("files", path=str(path))
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        relative = await stand.get("files", path="no-such-file-of-a-test")
        assert "/root/no-such-file-of-a-test" in relative.json()["error"]
        onto_a_directory = await stand.http.put(FILES, params={"path": str(tmp_path)}, content=pieces(bytes(3 << 20)))
        assert (onto_a_directory.status_code, onto_a_directory.json()["code"]) == (400, "bad_request")

    on_stand(agent, work)


def test_directories_are_made_listed_and_removed(agent: Endpoint, tmp_path: Path) -> None:
    async def work(stand: Stand) -> None:
        top = tmp_path / "top"
        made = await stand.http.post(f"{FILES}/mkdir", params={"path": str(top / "sub")})
        assert made.status_code == 204
        (top / "file").write_bytes(b"abc")
        (top / "empty").touch()
        (top / os.fsdecode(b"bad\xff")).touch()
        assert (await stand.get("files/list", path=str(top))).json() == [
            {"name": "bad\ufffd", "isDir": False, "path": f"{top}/bad\ufffd"},
            {"name": "empty", "isDir": False, "path": f"{top}/empty"},
            {"name": "file", "isDir": False, "path": f"{top}/file", "size": 3},
            {"name": "sub", "isDir": True, "path": f"{top}/sub"},
        ]
        assert (await stand.get("files/list", path=str(top / "sub"))).json() == []
        assert (await stand.get("files/list", path=str(top / "no"))).status_code == 404
        for _ in range(2):
            assert (await stand.http.delete(FILES, params={"path": str(top)})).status_code == 204
        assert not top.exists()

    on_stand(agent, work)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/mkdir"), ("GET", "?path=a%00b"), ("DELETE", "?path=/..")],
)
def test_a_path_that_cannot_be_is_400(agent: Endpoint, method: str, path: str) -> None:
    async def work(stand: Stand) -> None:
        answer = await stand.http.request(method, FILES + path)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")

    on_stand(agent, work)


def test_an_upload_above_the_limit_is_413_before_it_is_sent(agent: Endpoint, tmp_path: Path) -> None:
    async def work(stand: Stand) -> None:
        reader, writer = await asyncio.open_unix_connection(stand.socket)
        target = f"{FILES}?path={tmp_path}/big"
        writer.write(f"PUT {target} HTTP/1.1\r\nHost: worker\r\nContent-Length: {LARGEST + 1}\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == b"413"
        writer.close()
        await writer.wait_closed()
        assert not (tmp_path / "big").exists()

    on_stand(agent, work)
