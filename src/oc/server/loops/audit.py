"""Forgets entries of the audit log that are older than they are kept."""

from __future__ import annotations

from oc.api.timestamps import SECOND, now
from oc.store.audit import Audit

DAY_S = 86_400


class ForgetAudit:
    def __init__(self, rows: Audit, days: int) -> None:
        """`days`: 0 for ever."""
        self._rows = rows
        self._days = days

    async def __call__(self) -> None:
        before = now() - self._days * DAY_S * SECOND
        while self._days and await self._rows.forget(before):
            continue
