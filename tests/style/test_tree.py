"""What must not be in any file, and what must be in some."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields

from oc.settings import Settings
from tests.style.tree import ROOT, texts

INDEX = re.compile(r"^\s*(-i|--(extra-)?index-url|--find-links|--trusted-host)\b", re.MULTILINE)
LOCKED = {"server.lock": ("server", "worker"), "dev.lock": ("server", "worker", "dev"), "egress.lock": ("egress",)}
DECISION = re.compile(r"(\d{4})-[a-z0-9-]+\.md")


def requirements(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / lock).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_no_file_names_a_package_index() -> None:
    """Where packages come from is the host's own configuration."""
    ours = {path: text for path, text in texts().items() if path.suffix in {".lock", ".txt", ".in", ".toml", ".cfg"}}
    assert ours
    assert [str(path) for path, text in ours.items() if INDEX.search(text) or "index-url" in text] == []


def test_no_file_names_the_place_of_the_checkout() -> None:
    if len(ROOT.parts) > 2:  # "/src" or the like would be found everywhere
        assert [str(path) for path, text in texts().items() if str(ROOT) in text] == []


def test_locks_agree_so_that_one_environment_holds_both() -> None:
    development, server = requirements("dev.lock"), requirements("server.lock")
    assert server
    assert server.items() <= development.items()


def test_locks_have_all_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for lock, extras in LOCKED.items():
        wanted = {re.split(r"[\[<>=; ]", line)[0] for extra in extras for line in project[extra]} - {"opencomputer"}
        assert wanted <= requirements(lock).keys()


def test_every_locked_file_has_a_hash() -> None:
    for lock in ("server.lock", "dev.lock", "egress.lock"):
        blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements" / lock).read_text())
        assert [block for block in blocks if "==" in block and "--hash=sha256:" not in block] == []


def test_decisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").iterdir())
    matches = [DECISION.fullmatch(name) for name in names]
    assert names
    assert all(matches), names
    assert [int(match[1]) for match in matches if match] == list(range(1, len(names) + 1))


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    missing = [field.name for field in fields(Settings) if f"| `{field.name}` |" not in text]
    assert missing == []


def test_links_between_documents_lead_somewhere() -> None:
    for path, text in texts().items():
        if path.suffix == ".md":
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
                assert (ROOT / path.parent / target).exists(), f"{path} links to {target}"
