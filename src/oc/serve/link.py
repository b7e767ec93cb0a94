"""The commands on everybody's PATH: links to the programs of the environment that this one runs in."""

from __future__ import annotations

import sys
from pathlib import Path

from oc.serve.directories import passable
from oc.settings import Settings

COMMANDS = ("oc", "oc-host")


def mark(settings: Settings) -> None:
    """Notes that this installation made the links: another on the same host leaves them alone when it goes."""
    _mark(settings).touch()


def _mark(settings: Settings) -> Path:
    return settings.data_dir / "linked"


def program(command: str) -> Path:
    return Path(sys.executable).with_name(command)


def link_commands(directory: Path) -> list[str]:
    """Makes or renews the links; returns a sentence about each that stands in for a program that is not ours."""
    directory.mkdir(parents=True, exist_ok=True)
    refused = []
    for command in COMMANDS:
        link = directory / command
        if _foreign(link):
            refused.append(f"{link} is another program and was left alone; ours is {program(command)}")
        elif not _leads_here(link):
            link.unlink(missing_ok=True)
            link.symlink_to(program(command))
    return refused


def unlink_commands(settings: Settings) -> None:
    """Removes the links if this installation made them, and those only that lead here."""
    if not _mark(settings).exists():
        return
    _mark(settings).unlink()
    for command in COMMANDS:
        if _leads_here(settings.bin_dir / command):
            (settings.bin_dir / command).unlink()


def reachable(uid: int) -> bool:
    """Whether a user may go all the way to the programs that the links lead to."""
    return all(passable(parent, uid) for parent in program("oc").parents)


def _leads_here(link: Path) -> bool:
    return link.is_symlink() and link.readlink() == program(link.name)


def _foreign(link: Path) -> bool:
    """Links into an environment of another checkout are ours as well, dead or alive; everything else is not."""
    return (link.exists() or link.is_symlink()) and not (
        link.is_symlink() and link.readlink().parts[-3:-1] == (".venv", "bin")
    )
