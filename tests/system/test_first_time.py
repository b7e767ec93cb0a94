"""A new user of a running server: an empty home, no `oc`, no key, and the lines of the documentation."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.stack import Ran, Stack, execute

SYSTEM_PATH = "/usr/bin:/bin"
UNPRIVILEGED = 65534


@dataclass(frozen=True)
class Newcomer:
    """Not root, where the tests are: nothing that is installed may need it."""

    home: Path
    stack: Stack

    def sh(self, script: str, **variables: str) -> Ran:
        environment = {"HOME": str(self.home), "PATH": SYSTEM_PATH, "SHELL": "/bin/bash", "URL": self.stack.url}
        ids = ["--reuid", str(UNPRIVILEGED), "--regid", str(UNPRIVILEGED), "--clear-groups"]
        shell = ["bash", "-c", f"set -o pipefail; cd; {script}"]
        return execute(["setpriv", *ids, "--inh-caps=-all", *shell], environment | variables)


@pytest.fixture
def newcomer(stack: Stack) -> Iterator[Newcomer]:
    """With a home that they can reach, wherever pytest's own directories are."""
    home = Path("/tmp") / f"oc-first-time-{os.getpid()}"
    execute(["rm", "-rf", home], dict(os.environ))
    home.mkdir(mode=0o700)
    os.chown(home, UNPRIVILEGED, UNPRIVILEGED)
    yield Newcomer(home, stack)
    execute(["rm", "-rf", home], dict(os.environ))


def test_from_nothing_to_a_command_in_a_sandbox(newcomer: Newcomer) -> None:
    installed = newcomer.sh("curl -fsSL $URL/install.sh | bash")
    assert installed.code == 0, installed.err
    assert 'export PATH="$HOME/.local/bin:$PATH"' in installed.err
    assert newcomer.sh("~/.local/bin/oc version").out.startswith("oc version ")

    keyless = newcomer.sh("~/.local/bin/oc config show")
    assert keyless.code == 0
    assert keyless.out == f"API URL:     {newcomer.stack.url}\nAPI Key:\nConfig file: {newcomer.home}/.oc/config.json\n"
    assert f"no API key is set: make a key at {newcomer.stack.url}/settings/keys" in keyless.err

    refused = newcomer.sh("~/.local/bin/oc ls")
    assert (refused.code, refused.out) == (3, "")
    assert "missing API key" in refused.err
    for way in (f"{newcomer.stack.url}/settings/keys", "oc login", "oc-host keys create", "oc config set api-key"):
        assert way in refused.err

    set_key = newcomer.sh('printf "%s\\n" "$KEY" | ~/.local/bin/oc config set api-key -', KEY=newcomer.stack.key)
    assert (set_key.code, set_key.out) == (0, "api-key updated\n")
    masked = newcomer.sh("~/.local/bin/oc config show")
    assert f"API Key:     osb_{'*' * 60}{newcomer.stack.key[-4:]}\n" in masked.out
    assert (newcomer.home / ".oc" / "config.json").stat().st_mode & 0o777 == 0o600

    ran = newcomer.sh(
        'export PATH="$HOME/.local/bin:$PATH"; '
        "ID=$(oc create --json | jq -r .sandboxID) && oc exec $ID -- echo it works; oc sandbox kill $ID"
    )
    assert ran.code == 0, ran.err
    assert ran.out.startswith("it works\nSandbox sb-")


def test_errors_without_a_key_are_one_object_for_scripts(newcomer: Newcomer) -> None:
    assert newcomer.sh("curl -fsSL $URL/install.sh | bash").code == 0
    refused = newcomer.sh("~/.local/bin/oc create --json")
    assert (refused.code, refused.out) == (3, "")
    assert json.loads(refused.err)["code"] == 3
    assert "missing API key" in json.loads(refused.err)["error"]


def test_second_installation_keeps_settings_and_warns_only_while_path_lacks_it(newcomer: Newcomer) -> None:
    assert newcomer.sh("wget -qO- $URL/install.sh | bash").code == 0
    assert newcomer.sh("~/.local/bin/oc config set api-url http://other.example").code == 0
    again = newcomer.sh('export PATH="$HOME/.local/bin:$PATH"; curl -fsSL $URL/install.sh | bash')
    assert again.code == 0, again.err
    assert "PATH" not in again.err
    assert "api-url not changed: it is http://other.example already" in again.out


def test_other_directory_may_be_chosen(newcomer: Newcomer) -> None:
    ran = newcomer.sh("curl -fsSL $URL/install.sh | OC_INSTALL_DIR=~/tools bash; ~/tools/oc version; ls ~/.local/bin")
    assert "oc version " in ran.out
    assert 'export PATH="$HOME/tools:$PATH"' in ran.err
    assert "No such file or directory" in ran.err  # nothing in the usual place
