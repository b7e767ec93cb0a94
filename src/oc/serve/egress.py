"""`oc-host egress`: the way out of governed sandboxes, with a user and an environment of its own (decision 0014).

It is told nothing but where to look: none of our settings, the master key above all, is in its environment.
"""

from __future__ import annotations

import os
import subprocess
from argparse import Namespace
from pathlib import Path

import oc
from oc.model.errors import Failed, NotSupported
from oc.serve import directories, lock, part
from oc.serve.root import need_root
from oc.serve.verb import Verb
from oc.settings import Settings
from oc.worker.firewall import EXPLICIT_PORT, TRANSPARENT_PORT

KEPT = ("PATH", "LANG", "TZ")  # of the environment


def run(settings: Settings, _: Namespace) -> int:
    need_root(settings, "oc-host egress")
    check(settings)
    directories.prepare(settings)
    os.set_inheritable(lock.of(settings.run_dir, "egress").hold(), True)
    parent = os.environ.get(part.SUPERVISOR, "0")
    os.execve(settings.egress_python, _argv(settings, parent, *_arguments(settings)), _environment())  # noqa: S606 - that is what it is for


def available(settings: Settings) -> bool:
    return settings.runtime != "fake" and settings.egress_python.is_file()


def check(settings: Settings) -> None:
    """Raises NotSupported."""
    if not settings.egress_python.is_file():
        raise NotSupported(
            f"the egress proxy's Python {settings.egress_python} is not there",
            hint="scripts/venv egress makes its environment; without it governed sandboxes reach nothing",
        )


def prepare(settings: Settings) -> None:
    """Makes the certificate authority that sandboxes are to trust, unless it is there. Raises Failed."""
    if not available(settings) or settings.egress_certificate.exists():
        return
    argv = _argv(settings, "0", "prepare", str(settings.egress_state))
    done = subprocess.run(argv, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"the egress proxy's certificate authority cannot be made: {done.stderr.strip()[-500:]}")


def _argv(settings: Settings, parent: str, *arguments: str) -> list[str]:
    return [
        str(settings.egress_python), "-m", "oc.serve.egress_start", str(settings.egress_uid), parent, *arguments,
    ]  # fmt: skip


def _arguments(settings: Settings) -> list[str]:
    gateway = settings.network[1]
    flags = {
        "--directory": settings.egress_directory,
        "--events": settings.egress_events,
        "--state": settings.egress_state,
        "--explicit": f"{gateway}:{EXPLICIT_PORT}",
        "--transparent": f"{gateway}:{TRANSPARENT_PORT}",
    }
    optional = {
        "--upstream-ca": settings.egress_upstream_ca,
        "--hosts": settings.egress_hosts,
        "--dns": settings.dns,
        "--private": settings.egress_private,
    }
    given = flags | {name: value for name, value in optional.items() if value}
    return [str(word) for pair in given.items() for word in pair]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"PYTHONPATH": str(Path(oc.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}


VERB = Verb(run)
