"""A sandbox's files in the run directory: its OCI bundle, which process it is, and what its processes had to say.

<run_dir>/bundles/<id>/config.json   with the agent's token: only root may read it
                       pid           of its sentry, written by runsc
                       process       the same with its start time, once it runs
                       logs/         errors, panic, boot: see `Runsc.command`
<run_dir>/runsc/*<id>*               runsc's own state, lock and socket
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from oc.model.errors import Gone
from oc.runtime.gvisor import oci

LOG_BYTES = 1 << 20  # what a sandbox makes its sentry write is charged to its memory, and cut at that
TAIL_BYTES = 64 << 10


class Bundle:
    """All calls are a few small reads and writes."""

    def __init__(self, run_dir: Path, id: str) -> None:
        self.id = id
        self.directory = run_dir / "bundles" / id
        self.pid_file = self.directory / "pid"
        self.logs = self.directory / "logs"
        self._process = self.directory / "process"
        self._state = run_dir / "runsc"

    def write(self, config: dict[str, Any]) -> None:
        self.directory.mkdir(mode=0o700, parents=True)
        self.logs.mkdir()
        path = self.directory / "config.json"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(config, file)

    def cpus(self) -> int:
        """That it was started with. Raises Gone when it is not there."""
        try:
            config = json.loads((self.directory / "config.json").read_text())
        except FileNotFoundError as error:
            raise Gone(f"sandbox {self.id} does not run on this host") from error
        return int(config.get("annotations", {}).get(oci.CPUS, oci.LEAST_CPUS))

    def started(self) -> None:
        """Records which process the sentry is. Raises OSError when it has gone already."""
        pid = int(self.pid_file.read_text())
        start = _start_time(pid)
        if start is None:
            raise ProcessLookupError(f"sentry {pid} of {self.id} has gone")
        new = self._process.with_suffix(".new")
        new.write_text(f"{pid} {start}")
        new.replace(self._process)

    def alive(self) -> bool:
        """Whether the recorded process runs. Another one that was given its number has another start time."""
        try:
            pid, start = map(int, self._process.read_text().split())
        except FileNotFoundError:
            return False
        return _start_time(pid) == start

    def cut_logs(self) -> None:
        for log in self.logs.glob("*"):
            if log.stat().st_size > LOG_BYTES:
                os.truncate(log, 0)

    def log(self, name: str) -> str:
        """The end of a log; empty when there is none."""
        try:
            with (self.logs / name).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def delete(self) -> None:
        """Fine when there is nothing."""
        if self.directory.exists():
            shutil.rmtree(self.directory)
        for path in self._state.glob(f"*{self.id}*"):
            path.unlink(missing_ok=True)


def all_of(run_dir: Path) -> set[str]:
    """Ids of all sandboxes that have a file there."""
    bundles, state = run_dir / "bundles", run_dir / "runsc"
    named = {path.name for path in bundles.iterdir()} if bundles.is_dir() else set()
    stated = {match[1] for path in state.glob("*") if (match := re.search(r"(?:^|runsc-)(sb-[0-9a-f]{8})", path.name))}
    return named | stated


def _start_time(pid: int) -> int | None:
    """Field 22 of proc_pid_stat(5), in ticks since boot; None for what is gone or dead and not reaped (B8)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])
