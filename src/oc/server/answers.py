"""Rows as clients see them (contract 2.1.1)."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from oc.api.bodies import CheckpointAnswer, CheckpointConfig, Hibernated, PatchAnswer, SandboxAnswer
from oc.api.timestamps import rfc3339
from oc.settings import Settings
from oc.store.checkpoints import Checkpoint, Progress
from oc.store.patches import Patch
from oc.store.sandboxes import Sandbox, Tier

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
        cpu_count=_cpus(size.cpus),
        memory_mb=size.memory_mb,
        disk_mb=size.disk_mb,
        region=settings.region,
        worker_id=settings.instance,
        sandbox_domain=settings.domain,
        hibernated_at=rfc3339(row.hibernated_at),
        from_checkpoint_id=row.wish.from_checkpoint,
        patch_error=row.patch_error,
        restore_error=row.restore_error,
        memory_kills=row.memory_kills,
    )


def _cpus(number: float) -> int | float:
    """Go clients read an integer (contract 0.5)."""
    return int(number) if number.is_integer() else number


def hibernated(row: Sandbox, message: str, settings: Settings) -> Hibernated:
    """What an earlier hibernation has left in the blob store is not this one's."""
    stored = row.tier is Tier.STORED
    return Hibernated(
        sandbox_id=row.id,
        status=row.status,
        message=message,
        hibernated_at=rfc3339(row.hibernated_at),
        hibernation_key=blob(row.hibernation) if stored and row.hibernation else None,
        size_bytes=(row.hibernation_bytes or 0) if stored else 0,
        region=settings.region,
        template=row.wish.template,
    )


def checkpoint(row: Checkpoint) -> CheckpointAnswer:
    config = CheckpointConfig(row.template, _cpus(row.size.cpus), row.size.memory_mb, row.size.disk_mb, row.metadata)
    key = blob(row.id) if row.status is Progress.READY else None
    return CheckpointAnswer(
        id=row.id,
        sandbox_id=row.sandbox_id,
        org_id=row.org_id,
        name=row.name,
        kind=row.kind,
        status=row.status.value,
        size_bytes=row.size_bytes,
        is_public=row.public,
        created_at=rfc3339(row.created_at) or "",
        sandbox_config=config,
        rootfs_s3_key=key,
        workspace_s3_key=key,
        error_msg=row.reason,
        failed_at=rfc3339(row.failed_at),
    )


def blob(artifact: str) -> str:
    """The name of an artifact's manifest in the blob store."""
    return f"manifests/{artifact}"


def patch(row: Patch) -> PatchAnswer:
    created_at = rfc3339(row.created_at) or ""
    return PatchAnswer(row.id, row.checkpoint_id, row.sequence, row.script, row.description, created_at)
