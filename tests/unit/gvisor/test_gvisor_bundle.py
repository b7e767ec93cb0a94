"""What a sandbox leaves in the run directory, and what is read from it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from oc.runtime.driver import Launch
from oc.runtime.gvisor import bundle, death, oci
from oc.runtime.gvisor.bundle import LOG_BYTES, Bundle

ID = "sb-0123abcd"
BOOT_LOG = """\
I1125 09:21:39.833330   19063 loader.go:1215] Gofer socket disconnected, killing container
I1125 09:21:39.834569   19063 boot.go:534] application exiting with killed by signal 9
"""


@pytest.fixture
def files(tmp_path: Path) -> Bundle:
    made = Bundle(tmp_path, ID)
    made.write({})
    return made


def test_a_recorded_process_is_alive_until_its_number_is_anothers(files: Bundle) -> None:
    assert not files.alive()
    files.pid_file.write_text(str(os.getpid()))
    files.started()
    assert files.alive()
    (files.directory / "process").write_text(f"{os.getpid()} 1")
    assert not files.alive()


def test_a_process_that_has_gone_was_not_started(files: Bundle) -> None:
    files.pid_file.write_text(str(1 << 30))
    with pytest.raises(ProcessLookupError):
        files.started()


def test_a_log_is_cut_when_it_has_grown_too_long(files: Bundle) -> None:
    (files.logs / "boot").write_bytes(bytes(LOG_BYTES + 1))
    (files.logs / "gofer").write_text("short")
    files.cut_logs()
    assert files.log("boot") == ""
    assert files.log("gofer") == "short"


def test_all_sandboxes_with_a_file_are_found_and_deleted_files_are_gone(tmp_path: Path, files: Bundle) -> None:
    state = tmp_path / "runsc"
    state.mkdir()
    names = ("runsc-sb-00000001.sock", "sb-00000002_sandbox:sb-00000002.state", "something.else")
    for name in names:
        (state / name).touch()
    assert bundle.all_of(tmp_path) == {ID, "sb-00000001", "sb-00000002"}
    for id in (ID, "sb-00000001", "sb-00000002", "sb-00000002"):
        Bundle(tmp_path, id).delete()
    assert bundle.all_of(tmp_path) == set()
    assert [path.name for path in state.iterdir()] == ["something.else"]


@pytest.mark.parametrize(
    ("logs", "oom_kills", "reason"),
    [
        ({"boot": BOOT_LOG}, 1, death.MEMORY),
        ({"panic": "panic: oh no\ngoroutine 1", "boot": BOOT_LOG}, 0, "its runtime crashed: panic: oh no"),
        ({"boot": BOOT_LOG}, 0, "its first process ended: killed by signal 9"),
        ({"boot": "I1125 started\n"}, 0, death.OUTSIDE),
        ({}, 0, death.OUTSIDE),
    ],
)
def test_the_cause_of_death_is_the_most_telling_one(
    files: Bundle, logs: dict[str, str], oom_kills: int, reason: str
) -> None:
    for name, text in logs.items():
        (files.logs / name).write_text(text)
    assert death.cause(files, oom_kills).reason == reason


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ('{"msg":"first"}\n{"msg":"the last\\nwith its stack","level":"error"}\n', "the last"),
        ("plain words\n", "plain words"),
        ('{"msg": "cut of', '{"msg": "cut of'),
        ("", ""),
    ],
)
def test_last_words_are_one_line(files: Bundle, errors: str, words: str) -> None:
    (files.logs / "errors").write_text(errors)
    assert death.last_words(files) == words


def test_the_token_is_only_where_root_alone_can_read_it(tmp_path: Path) -> None:
    launch = Launch(ID, tmp_path, "/run/netns/x", "10.201.0.2", bytes(range(32)), 1.0, 512)
    made = Bundle(tmp_path, ID)
    config = oci.config(launch, "/group")
    made.write(config)
    file = made.directory / "config.json"
    assert json.loads(file.read_text()) == config
    assert made.cpus() == oci.LEAST_CPUS
    assert (file.stat().st_mode & 0o777, made.directory.stat().st_mode & 0o777) == (0o600, 0o700)
    assert f"OC_AGENT_TOKEN={launch.token.hex()}" in config["process"]["env"]
    assert launch.token.hex() not in " ".join(config["process"]["args"])
