"""A request for a sandbox, checked (contract 2.1.1; sizes: design 7)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from oc.api.bodies import CreateSandbox, Fork, PreviewAuth
from oc.model.errors import BadRequest, NotFound, NotSupported, TooLarge
from oc.model.ids import new_preview_token
from oc.model.sandbox import Checkpoint as FromCheckpoint
from oc.model.sandbox import Image, Size
from oc.server.hosts import Host
from oc.settings import Settings
from oc.store.checkpoints import Checkpoint
from oc.store.sandboxes import Wish
from oc.wire.messages import MAX_TEXT

TEMPLATES = {"base": "base", "default": "base", "ubuntu": "base", "python": "base", "node": "base"}  # name -> image
STEP = 0.25  # vCPU
LEAST_MEMORY_MB = 128
LONGEST_TIMEOUT_S = 30 * 86_400
MAX_ENVS = 256 << 10  # bytes, names and values together
MAX_METADATA = 16 << 10
SHORTEST_TOKEN, LONGEST_TOKEN = 16, 1024  # characters
_VISIBLE = re.compile(r"[!-~]+")  # goes in a header, after `Bearer `
NOT_YET = {
    "image": "images built from a manifest are not available yet",
    "snapshot": "snapshots are not available yet",
    "webhooks": "webhooks are not available yet",
}


def wish(body: CreateSandbox, settings: Settings, host: Host) -> Wish:
    """Raises BadRequest, NotFound, NotSupported and TooLarge; the text names the field and what it may be."""
    _refuse_missing_features(body)
    template = _template(body.template_id)
    return Wish(
        template=template,
        size=_size(body, settings, host),
        envs=_envs(body.envs or {}),
        metadata=_texts("metadata", body.metadata or {}, MAX_METADATA),
        timeout_s=timeout(body.timeout or 0),
        origin=Image(TEMPLATES[template]),
    )


def fork(body: Fork, checkpoint: Checkpoint, host: Host) -> Wish:
    """A sandbox that goes on where a checkpoint stood (contract 2.6.4): memory may be added to it."""
    asked = body.memory_mb or 0
    size = msgspec.structs.replace(
        checkpoint.size, memory_mb=max(checkpoint.size.memory_mb, min(asked, host.memory_mb))
    )
    metadata = checkpoint.metadata if body.metadata is None else body.metadata
    return Wish(
        template=checkpoint.template,
        size=size,
        envs=_envs(checkpoint.envs | (body.envs or {})),
        metadata=_texts("metadata", metadata, MAX_METADATA),
        timeout_s=timeout(body.timeout or 0),
        origin=FromCheckpoint(checkpoint.id, checkpoint.memory),
        from_checkpoint=checkpoint.id,
    )


def resized(size: Size, memory_mb: int | None, cpus: float | None, host: Host) -> Size:
    """Another size for a sandbox (contract 2.1.10); what is None stays. Raises BadRequest."""
    if (memory_mb is None and cpus is None) or (memory_mb is not None and memory_mb <= 0):
        raise BadRequest("memoryMB is required and must be positive", hint="cpuCount may be given beside it, or alone")
    return msgspec.structs.replace(
        size,
        cpus=_cpus(cpus, size.cpus, host.cpus),
        memory_mb=_within("memoryMB", memory_mb, size.memory_mb, LEAST_MEMORY_MB, host.memory_mb),
    )


def autoscale(least_mb: int | None, most_mb: int | None, host: Host) -> tuple[int, int]:
    """Bounds for autoscaling (contract 2.1.10). Raises BadRequest."""
    least = _within("minMemoryMB", least_mb or 0, 0, LEAST_MEMORY_MB, host.memory_mb)
    most = _within("maxMemoryMB", most_mb or 0, 0, LEAST_MEMORY_MB, host.memory_mb)
    if least > most:
        raise BadRequest(f"minMemoryMB must not be above maxMemoryMB (got {least} and {most})")
    return least, most


def preview_token(auth: PreviewAuth | None) -> str | None:
    """What the previews of a sandbox are to ask for; None: nothing. Raises BadRequest."""
    if auth is None:
        return None
    if auth.scheme != "bearer":
        raise BadRequest(f"previewAuth.scheme must be bearer (got {auth.scheme[:64]!r})")
    if auth.token in ("", "auto"):
        return new_preview_token()
    if not SHORTEST_TOKEN <= len(auth.token) <= LONGEST_TOKEN or not _VISIBLE.fullmatch(auth.token):
        raise BadRequest(
            f"previewAuth.token must be auto, or {SHORTEST_TOKEN} to {LONGEST_TOKEN} visible ASCII characters"
        )
    return auth.token


def timeout(seconds: int) -> int:
    if seconds < 0:
        raise BadRequest("timeout must be non-negative (0 = no timeout)")
    if seconds > LONGEST_TIMEOUT_S:
        raise BadRequest(f"timeout must be at most {LONGEST_TIMEOUT_S} seconds, which is 30 days (0 = no timeout)")
    return seconds


def _refuse_missing_features(body: CreateSandbox) -> None:
    for field, text in NOT_YET.items():
        if getattr(body, field):
            raise NotSupported(text)


def _template(name: str | None) -> str:
    name = name or "base"
    if name not in TEMPLATES:
        raise NotFound(f"template not found: {name}", hint=f"templates: {', '.join(TEMPLATES)}")
    return name


def _size(body: CreateSandbox, settings: Settings, host: Host) -> Size:
    return Size(
        cpus=_cpus(body.cpu_count, settings.default_cpus, host.cpus),
        memory_mb=_within("memoryMB", body.memory_mb, settings.default_memory_mb, LEAST_MEMORY_MB, host.memory_mb),
        disk_mb=_within(
            "diskMB", body.disk_mb, settings.default_disk_mb, settings.default_disk_mb, settings.max_disk_mb
        ),
    )


def _cpus(asked: float | None, default: float, most: float) -> float:
    if asked is None:
        return default
    if not STEP <= asked <= most or asked % STEP:
        raise BadRequest(f"cpuCount must be a multiple of {STEP} from {STEP} to {most:g} (got {asked:g})")
    return asked


def _within(field: str, asked: int | None, default: int, least: int, most: int) -> int:
    if asked is None:
        return default
    if not least <= asked <= most:
        raise BadRequest(f"{field} must be from {least} to {most} (got {asked})")
    return asked


def _envs(envs: Mapping[str, str]) -> dict[str, str]:
    for name, value in envs.items():
        if not name or "=" in name:
            raise BadRequest(f"envs: {name[:64]!r} cannot name a variable: it must not be empty nor contain '='")
        if len(f"{name}={value}".encode()) > MAX_TEXT:
            raise TooLarge(f"envs: {name[:64]!r} is too large: at most {MAX_TEXT} bytes with its name")
    return _texts("envs", envs, MAX_ENVS)


def _texts(field: str, texts: Mapping[str, str], most: int) -> dict[str, str]:
    for name, value in texts.items():
        if "\0" in name or "\0" in value:
            raise BadRequest(f"{field}: {name[:64]!r} must not contain NUL")
    if (size := sum(len(name.encode()) + len(value.encode()) for name, value in texts.items())) > most:
        raise TooLarge(f"{field} are too large: {size} bytes, at most {most}")
    return dict(texts)
