"""Long streams: whole, in bounded memory, and at the reader's pace."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tests.system.stack import OC, Stack, wait_for

SOURCE = (
    "import sys\n"
    "block = bytes(range(256)) * 4096\n"
    "for number in range({megabytes}): sys.stdout.buffer.write(number.to_bytes(4, 'big') + block[4:])\n"
)


def expected(megabytes: int) -> str:
    block, digest = bytes(range(256)) * 4096, hashlib.sha256()
    for number in range(megabytes):
        digest.update(number.to_bytes(4, "big") + block[4:])
    return digest.hexdigest()


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


def test_two_gigabytes_arrive_whole_in_bounded_memory(stack: Stack, sandbox: str) -> None:
    parts = [stack.pid("server"), stack.pid("worker")]
    before = [resident_mb(pid) for pid in parts]
    argv = [OC, "exec", sandbox, "--", "python3", "-c", SOURCE.format(megabytes=2048)]
    digest = hashlib.sha256()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=stack.user_environment()) as oc:
        assert oc.stdout is not None
        while chunk := oc.stdout.read(1 << 20):
            digest.update(chunk)
    assert oc.returncode == 0
    assert digest.hexdigest() == expected(2048)
    for pid, start in zip(parts, before, strict=True):
        assert resident_mb(pid) < start + 150


def test_reader_that_stops_stops_the_writer_and_nobody_else(stack: Stack, sandbox: str) -> None:
    script = "i=0; while true; do head -c 65536 /dev/zero; i=$((i+1)); echo $i > /tmp/written; done"
    argv = [OC, "exec", sandbox, "--", "sh", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=stack.user_environment()) as oc:
        counts: list[str] = []

        def at_rest() -> bool:
            counts.append(stack.sh(sandbox, "cat /tmp/written; sleep 1").out)
            return len(counts) > 3 and counts[-1] != "" and len(set(counts[-3:])) == 1

        wait_for(at_rest, "the writer to be held")
        assert int(counts[-1]) < 1000, "held after a few megabytes"
        oc.kill()
    assert stack.sh(sandbox, "echo others go on").out == "others go on\n"


def test_stdin_of_a_hundred_megabytes_arrives_whole(stack: Stack, sandbox: str) -> None:
    data = bytes(range(256)) * 4096 * 100
    ran = stack.oc("exec", sandbox, "--", "sha256sum", input=data)
    assert ran.out.split()[0] == hashlib.sha256(data).hexdigest()


def test_large_file_goes_up_and_down_whole(stack: Stack, sandbox: str) -> None:
    data = bytes(range(256)) * 4096 * 200
    with stack.api() as api:
        path = {"path": "/root/large"}
        assert api.put(f"/sandboxes/{sandbox}/files", params=path, content=data).status_code == 204
        assert stack.sh(sandbox, "sha256sum < /root/large").out.split()[0] == hashlib.sha256(data).hexdigest()
        assert (
            hashlib.sha256(api.get(f"/sandboxes/{sandbox}/files", params=path).content).digest()
            == hashlib.sha256(data).digest()
        )
