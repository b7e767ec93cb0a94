"""All rows of the control plane, by noun."""

from __future__ import annotations

from pathlib import Path

from oc.store.accounts import Accounts
from oc.store.artifacts import Artifacts
from oc.store.audit import Audit
from oc.store.checkpoints import Checkpoints
from oc.store.database import Database
from oc.store.device_logins import DeviceLogins
from oc.store.events import Events
from oc.store.hibernations import Hibernations
from oc.store.idempotency import Idempotency
from oc.store.invitations import Invitations
from oc.store.lineage import Lineage
from oc.store.patches import Patches
from oc.store.people import People
from oc.store.previews import Previews
from oc.store.sandboxes import Sandboxes
from oc.store.scaling import Scaling
from oc.store.secret_stores import SecretStores
from oc.store.web_sessions import WebSessions


class Store:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.accounts = Accounts(database)
        self.artifacts = Artifacts(database)
        self.audit = Audit(database)
        self.checkpoints = Checkpoints(database)
        self.device_logins = DeviceLogins(database)
        self.events = Events(database)
        self.hibernations = Hibernations(database)
        self.idempotency = Idempotency(database)
        self.invitations = Invitations(database)
        self.lineage = Lineage(database)
        self.patches = Patches(database)
        self.people = People(database)
        self.previews = Previews(database)
        self.sandboxes = Sandboxes(database)
        self.scaling = Scaling(database)
        self.secret_stores = SecretStores(database)
        self.web_sessions = WebSessions(database)

    @property
    def version(self) -> int:
        """Another one whenever something has been written."""
        return self._database.version

    @classmethod
    async def open(cls, path: Path) -> Store:
        """Raises Failed, and Conflict when the database is newer than this program."""
        return cls(await Database.open(path))

    async def close(self) -> None:
        await self._database.close()
