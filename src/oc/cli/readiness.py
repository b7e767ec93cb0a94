"""Waits until a checkpoint is ready: it is saved at once, but stored while its sandbox runs on (contract 2.6)."""

from __future__ import annotations

import time

from oc.cli import output
from oc.cli.api import path
from oc.cli.errors import CLIENT, SERVER, TRANSIENT, ApiError, CliError, Unreachable
from oc.cli.patience import Patience

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from oc.cli.api import Api
    from oc.cli.progress import Progress

NEEDS = ("id", "status")
FIRST_S, LONGEST_S = 0.05, 1.0  # between two looks


class CheckpointFailed(CliError):  # noqa: N818 - what has happened
    exit_code = SERVER


class CheckpointGone(CliError):  # noqa: N818 - what has happened
    exit_code = CLIENT


class Readiness:
    """A server that is away for a while is asked again."""

    def __init__(self, api: Api, sandbox: str, checkpoint: str, progress: Progress) -> None:
        self._api = api
        self._sandbox = sandbox
        self._checkpoint = checkpoint
        self._progress = progress
        self._patience = Patience(api.origin.url, f"see whether it is ready with: oc checkpoint list {sandbox}")
        self._reason = ""

    def wait(self) -> dict[str, Any]:
        """The checkpoint as it is then. Raises CliError when it has failed or is gone."""
        pause_s = FIRST_S
        while (found := self._look())["status"] == "processing":
            self._tell(str(found.get("errorMsg") or ""))
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_S)
        if found["status"] != "ready":
            reason = found.get("errorMsg") or "the server does not say why"
            raise CheckpointFailed(f"checkpoint {self._checkpoint} has {found['status']}: {reason}")
        return found

    def _look(self) -> dict[str, Any]:
        while True:
            try:
                found = self._find()
            except (Unreachable, ApiError) as loss:
                if isinstance(loss, ApiError) and loss.status not in TRANSIENT:
                    raise
                self._progress.clear()
                self._patience.wait(loss)
            else:
                self._patience.connected()
                self._patience.renew()
                return found

    def _find(self) -> dict[str, Any]:
        for checkpoint in self._api.array("GET", path("sandboxes", self._sandbox, "checkpoints"), needs=NEEDS):
            if checkpoint["id"] == self._checkpoint:
                return checkpoint
        raise CheckpointGone(f"checkpoint {self._checkpoint} was deleted before it was ready")

    def _tell(self, reason: str) -> None:
        """`reason` is what it has to wait for, where it is not just work."""
        if reason and reason != self._reason:
            self._progress.clear()
            output.note(f"checkpoint {self._checkpoint} waits: {reason}")
        self._reason = reason
        self._progress.show("storing the checkpoint")
