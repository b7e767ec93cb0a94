"""The first sandbox, made as anybody would make it: by `oc`, through the API."""

from __future__ import annotations

import json
import os
import socket
import subprocess

from oc.model.errors import Failed
from oc.serve import link, port, service
from oc.serve.root import person
from oc.serve.step import progress, step
from oc.settings import Settings
from oc.store import setup_code

LONG_S = 120
GREETING = '. /etc/os-release; echo "Hello from $(hostname): $PRETTY_NAME, $(uname -sr), $(whoami)"'
NEXT = """
OpenComputer runs at {url}. Type next:

    ID=$(oc create --json | jq -r '.sandboxID')
    oc exec $ID -- python3 -c 'print(6 * 7)'
    oc sandbox kill $ID

Dashboard: {people}/ (whoever signs up there first{code} is its administrator); documentation of the API: {people}/docs
`oc` for others, without root: curl -fsSL {people}/install.sh | bash{alone}
`oc --help` lists the commands, `oc doctor` looks at this host, `make down` stops everything.
Logs: {logs}{reboot}"""
ALONE = '\n    The server listens on this machine only. To let others in: make up SETTINGS="--listen 0.0.0.0:8080"'
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on
LOOPBACK = ("127.", "::1", "localhost")
NO_SYSTEMD = "\nThis host has no systemd: after a reboot, run `make up` again."


def say(settings: Settings, url: str) -> None:
    """Raises Failed with what `oc` said when a step does not work."""
    with step("First sandbox", "oc create; oc exec ID --wait -- sh -c ...; oc sandbox kill ID"):
        id = str(json.loads(_oc("create", "--json"))["sandboxID"])
        try:
            progress(_oc("exec", id, "--wait", "--", "sh", "-c", GREETING).strip())
        finally:
            _oc("sandbox", "kill", id)
    print(next_steps(settings, url))


def next_steps(settings: Settings, url: str) -> str:
    """`url` is how this host reaches the server."""
    return NEXT.format(
        url=url,
        people=_for_people(settings, url),
        code=f", with the setup code {code}," if (code := setup_code.to_show(settings)) else "",
        alone=ALONE if not settings.public_url and _is_alone(settings) else "",
        logs=service.where_logs_are(settings),
        reboot="" if service.by_systemd() else NO_SYSTEMD,
    )


def _for_people(settings: Settings, url: str) -> str:
    """A server on all addresses is reached by this host's name, as far as others know that."""
    host, number = port.address(settings.listen)
    return settings.public_url or (f"http://{socket.gethostname()}:{number}" if host in EVERYWHERE else url)


def _is_alone(settings: Settings) -> bool:
    return port.address(settings.listen)[0].startswith(LOOPBACK)


def _oc(*argv: str) -> str:
    """Runs `oc` with the configuration that was just written, and nothing else."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OPENCOMPUTER_")}
    environment = ours | {"HOME": str(person().home)}
    command = [str(link.program("oc")), *argv]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=LONG_S
    )
    if done.returncode != 0:
        raise Failed(f"oc {argv[0]} ended with {done.returncode}: {done.stderr.strip()}", hint="see: oc-host doctor")
    return done.stdout
