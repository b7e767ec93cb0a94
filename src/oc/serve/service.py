"""`oc-host serve` in the background: a systemd unit where systemd runs, else a process of its own session."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from oc.model.errors import Failed
from oc.serve import invocation, lock, log_file
from oc.settings import Settings

SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
UNITS = Path("/etc/systemd/system")
LONG_S = 120

UNIT = """\
[Unit]
Description=OpenComputer: sandboxes on this host
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={program}
{environment}
# Sandboxes are in the cgroups that their worker made for them and outlive it: only the supervisor is told to stop.
KillMode=process
Restart=always
RestartSec=1
TimeoutStopSec=60
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def by_systemd() -> bool:
    return SYSTEMD.is_dir()


def name(settings: Settings) -> str:
    return "opencomputer.service" if settings.instance == "oc" else f"opencomputer-{settings.instance}.service"


def start(settings: Settings) -> None:
    """Starts the service, again with these settings if it runs. Sandboxes do not notice. Raises Failed."""
    if by_systemd():
        _install(settings)
        _systemctl("restart", name(settings))
    else:
        lock.of(settings.run_dir, "service").end_holder(LONG_S)
        _detach(settings)


def remove(settings: Settings) -> None:
    """Stops the unit and takes it away; fine when there is none. Raises Failed."""
    unit = UNITS / name(settings)
    if by_systemd() and unit.exists():
        _systemctl("disable", "--now", name(settings))
        unit.unlink()
        _systemctl("daemon-reload")


def words(settings: Settings, lines: int = 15) -> str:
    """The last lines that the service has written."""
    argv = ["journalctl", "--no-pager", "-o", "cat", f"-n{lines}", "-u", name(settings)]
    if not by_systemd():
        argv = ["tail", "-n", str(lines), str(log_file.path(settings))]
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False).stdout


def where_logs_are(settings: Settings) -> str:
    return f"journalctl -u {name(settings)}" if by_systemd() else str(log_file.path(settings))


# --- systemd ----------------------------------------------------------------------------------------------------------


def unit(settings: Settings) -> str:
    program = " ".join(_quoted(part).replace("$", "$$") for part in invocation.argv("serve"))
    environment = [f"Environment={_quoted(f'{key}={value}')}" for key, value in invocation.variables(settings).items()]
    return UNIT.format(program=program, environment="\n".join(environment)).replace("\n\n#", "\n#")


def _quoted(text: str) -> str:
    """As systemd.syntax(7) wants it; `%` begins a specifier (systemd.unit(5))."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _install(settings: Settings) -> None:
    (UNITS / name(settings)).write_text(unit(settings))
    _systemctl("daemon-reload")
    _systemctl("enable", name(settings))


def _systemctl(*argv: str) -> None:
    done = subprocess.run(["systemctl", *argv], capture_output=True, text=True, check=False, timeout=LONG_S)
    if done.returncode != 0:
        raise Failed(f"systemctl {' '.join(argv)} failed: {done.stderr.strip()}")


# --- without systemd --------------------------------------------------------------------------------------------------


def _detach(settings: Settings) -> None:
    """Its own session: it outlives the terminal. `append`: see `log_file.limit`."""
    with log_file.path(settings).open("ab") as log:
        subprocess.Popen(
            invocation.argv("serve"),
            env=os.environ | invocation.variables(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
