"""Rows as clients see them (contract 2.1.1)."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from oc.api.bodies import SandboxAnswer
from oc.api.timestamps import rfc3339
from oc.settings import Settings
from oc.store.sandboxes import Sandbox

JSON = "application/json"


def json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=JSON)


def nothing() -> Response:
    return Response(status_code=204)


def sandbox(row: Sandbox, settings: Settings) -> SandboxAnswer:
    size = row.wish.size
    return SandboxAnswer(
        sandbox_id=row.id,
        template_id=row.wish.template,
        template=row.wish.template,
        status=row.status,
        reason=row.reason,
        started_at=rfc3339(row.started_at or row.created_at) or "",
        stopped_at=rfc3339(row.stopped_at),
        timeout=row.wish.timeout_s,
        metadata=row.wish.metadata,
        cpu_count=int(size.cpus) if size.cpus.is_integer() else size.cpus,  # Go clients read an integer (contract 0.5)
        memory_mb=size.memory_mb,
        disk_mb=size.disk_mb,
        region=settings.region,
        worker_id=settings.instance,
        sandbox_domain=settings.domain,
    )
