"""skills/opencomputer/SKILL.md: every command line in it is run, in order, in one shell, as an agent would run it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.stack import OC, Stack, execute

SKILL = Path(__file__).parents[2] / "skills" / "opencomputer" / "SKILL.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(oc( [a-z-]+)+)")
NEXT = "\x1e"  # begins the output of a block
PATIENCE_S = 900


@dataclass(frozen=True)
class Walk:
    """What came of all blocks."""

    code: int
    outputs: list[str]  # of each block, in their order
    errors: str

    def of(self, words: str) -> str:
        """The output of the block that has these words."""
        numbers = [number for number, block in enumerate(blocks()) if words in block]
        assert len(numbers) == 1, words
        assert len(self.outputs) > numbers[0], f"not reached: {self.errors}"
        return self.outputs[numbers[0]]


def blocks() -> list[str]:
    return BLOCK.findall(SKILL.read_text())


@pytest.fixture(scope="module")
def walk(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """On a machine that has no `oc` yet; the key is where an agent's surroundings would put it."""
    place = tmp_path_factory.mktemp("skill")
    script = place / "script"
    script.write_text("set -eo pipefail\n" + "".join(f"printf '{NEXT}'\n{block}" for block in blocks()))
    (place / "home").mkdir()
    environment = {
        "HOME": str(place / "home"),
        "PATH": "/usr/bin:/bin",
        "OPENCOMPUTER_API_URL": stack.url,
        "OPENCOMPUTER_API_KEY": stack.key,
        "NO_PROXY": "localhost,127.0.0.1",
    }
    ran = execute(["bash", "-c", f"cd '{place}' && exec bash script"], environment, timeout=PATIENCE_S)
    return Walk(ran.code, ran.out.split(NEXT)[1:], ran.err)


def test_every_block_runs(walk: Walk) -> None:
    assert walk.code == 0, walk.errors
    assert len(walk.outputs) == len(blocks())


def test_oc_is_installed_by_the_server_and_knows_who_asks(walk: Walk, stack: Stack) -> None:
    assert "Installed oc version" in walk.of("install.sh")
    shown = walk.of("oc whoami")
    assert f"API URL:     {stack.url}\n" in shown
    assert "Workspace: tests" in shown
    assert stack.key not in shown + walk.errors


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("print(6 * 7)", ["42\n"]),
        ("--detach: prints", ["hello world from /tmp\n", "code 3, stdout 4 bytes\n"]),
        ("oc exec attach", ["running", "step 1\nstep 2\nstep 3\n", " killed\n"]),
        ("tar x -C copy", ["from a file\n"]),
        ("--count 2", ["prepared", 'has {"debug": true}\n']),
        ("checkpoint restore", [" restored to checkpoint ", "config.json\n", "main.py\n"]),
        ("patch create", ["Patch created: ", '{"debug": false}\n']),
        ("http.server", ['{"debug": true}\n', "8000"]),
        ("rotate-auth", ["401 without the token\n", '{"debug": true}\n']),
        ("sandbox hibernate", [" hibernated.\n", "\nhibernated\n", "awake again\n", " woke up "]),
        ("exit 7", ["the command ended with 7\n", "oc ended with 3\n", "3: "]),
        ("checkpoint delete", [" killed.\n", " deleted.\n"]),
    ],
)
def test_block_does_what_the_text_says(walk: Walk, block: str, said: list[str]) -> None:
    output = walk.of(block)
    assert [words for words in said if words not in output] == [], output


def test_forks_differ_and_nothing_is_left(walk: Walk, stack: Stack) -> None:
    names = re.findall(r"^(sb-\S+) has", walk.of("--count 2"), re.MULTILINE)
    assert len(set(names)) == 2
    ids = set(re.findall(r"sb-[0-9a-f]{8}", "".join(walk.outputs))) - {"sb-00000000"}
    with stack.api() as api:
        assert ids.isdisjoint(sandbox["sandboxID"] for sandbox in api.get("/sandboxes").json())


def test_commands_in_the_text_exist(stack: Stack) -> None:
    """What an agent is told to let people do is not run here, but it is there."""
    named = sorted({words for words, _ in INLINE.findall(SKILL.read_text())})
    assert "oc login" in named
    for words in named:
        ran = execute([OC, *words.split()[1:], "--help"], stack.user_environment())
        assert ran.code == 0, ran.err
        assert ran.out.startswith(f"Usage: {' '.join(words.split()[:2])}"), words
