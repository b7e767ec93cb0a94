"""What goes over the wire, with the contract's own spelling of each key (0.6). `null` is as good as absent on input:
Go clients send it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

Texts = dict[str, str]
PATTERNS = "Host names: exact, *.example.com, or *; empty: any"
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class PreviewAuth(msgspec.Struct, frozen=True):
    """Contract 2.1.1; `server.wishes` says what is wrong."""

    scheme: Annotated[str, Meta(description="bearer")] = "bearer"
    token: Annotated[str, Meta(description="At least 16 characters; empty or auto: a new one")] = ""


class EgressRules(msgspec.Struct, frozen=True, rename="camel"):
    """What a sandbox may reach; ours. All that is not allowed is refused, once anything is said here."""

    deny_all: Annotated[bool, Meta(description="Nothing at all")] | None = None
    allow_hosts: Annotated[list[str], Meta(description="Host names, or *.example.com")] | None = None
    allow_cidrs: Annotated[list[str], Meta(description="IPv4 networks, as 203.0.113.0/24")] | None = None


class CreateSandbox(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.1.1. What is not named here is ignored; `server.wishes` refuses what cannot be."""

    template_id: Annotated[str, Meta(description="base (also called default, ubuntu, python, node)")] | None = field(
        default=None, name="templateID"
    )
    timeout: Annotated[int, Meta(description="Seconds without traffic until it is hibernated; 0: never")] | None = None
    envs: Annotated[Texts, Meta(description="Environment of everything that runs in the sandbox")] | None = None
    metadata: Texts | None = None
    cpu_count: Annotated[float, Meta(description="vCPUs, in steps of 0.25")] | None = None
    memory_mb: int | None = field(default=None, name="memoryMB")
    disk_mb: int | None = field(default=None, name="diskMB")
    secret_store: str | None = None
    image: Any = None
    snapshot: Any = None
    preview_auth: PreviewAuth | None = None
    webhooks: Any = None
    network_enabled: Annotated[bool, Meta(description="false: as egress.denyAll")] | None = None
    egress: EgressRules | None = None


class SandboxAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """One shape for create, get, list, wake and fork (contract 2.1.1). No `connectURL`: traffic comes here (3.4)."""

    sandbox_id: str = field(name="sandboxID")
    template_id: str = field(name="templateID")
    template: str
    status: str
    reason: Annotated[str, Meta(description="Why it is stopped or failed")] | None
    started_at: Time
    stopped_at: Time | None
    timeout: int
    metadata: Texts
    cpu_count: int | float
    memory_mb: int = field(name="memoryMB")
    disk_mb: int = field(name="diskMB")
    region: str
    worker_id: str = field(name="workerID")
    sandbox_domain: str
    preview_auth_token: Annotated[str, Meta(description="Shown once, when it is made")] | None = None
    hibernated_at: Time | None = None
    from_checkpoint_id: Annotated[str, Meta(description="What it is a fork of")] | None = None
    patch_error: Annotated[str, Meta(description="Why its last patch failed")] | None = None
    restore_error: Annotated[str, Meta(description="Why its last restore left it as it was")] | None = None
    memory_kills: Annotated[int, Meta(description="Processes killed in it when its memory ran out")] = 0
    end_at: Time | None = None
    alias: str | None = None
    tags: Texts = {}
    tags_last_updated_at: Time | None = None


class SetTimeout(msgspec.Struct, frozen=True):
    """Contract 2.1.8."""

    timeout: Annotated[int, Meta(description="Seconds; 0: never hibernated")]


class Wake(msgspec.Struct, frozen=True):
    """Contract 2.1.7: absent is 0."""

    timeout: Annotated[int, Meta(description="Its idle timeout from now on, in seconds; 0: never")] | None = None


class Hibernated(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.1.6."""

    sandbox_id: str = field(name="sandboxID")
    status: str
    message: str
    hibernated_at: Time | None
    hibernation_key: Annotated[str, Meta(description="Its name in the blob store")] | None
    size_bytes: Annotated[int, Meta(description="0 until it is in the blob store")]
    region: str
    template: str


class Retention(msgspec.Struct, frozen=True, rename="camel"):
    mode: Literal["none", "delete_oldest"] = "none"
    max_count: Annotated[int, Meta(description="Checkpoints of this kind to keep, with the new one")] | None = None


class CreateCheckpoint(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.6.1."""

    name: str
    kind: Literal["full", "disk_only"] | None = None
    promote_to_full: bool | None = None
    retention_policy: Retention | None = None


class CheckpointConfig(msgspec.Struct, frozen=True, rename="camel"):
    """The sandbox that it was made of."""

    template_id: str = field(name="templateID")
    cpu_count: int | float
    memory_mb: int = field(name="memoryMB")
    disk_mb: int = field(name="diskMB")
    metadata: Texts


class CheckpointAnswer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Contract 2.6.1."""

    id: str
    sandbox_id: str
    org_id: str
    name: str
    kind: str
    status: Literal["processing", "ready", "failed"]
    size_bytes: Annotated[int, Meta(description="0 until it is ready")]
    is_public: bool
    created_at: Time
    sandbox_config: CheckpointConfig
    rootfs_s3_key: str | None = field(default=None, name="rootfsS3Key")
    workspace_s3_key: str | None = field(default=None, name="workspaceS3Key")
    error_msg: Annotated[str, Meta(description="Why it failed, or what it waits for")] | None = None
    failed_at: Time | None = None


class Restoring(msgspec.Struct, frozen=True, rename="camel"):
    """All values are strings (contract 9.3)."""

    sandbox_id: str
    checkpoint_id: str
    status: str = "restoring"


class Fork(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.6.4; `count` is ours."""

    timeout: Annotated[int, Meta(description="Seconds without traffic until it is hibernated; 0: never")] | None = None
    envs: Annotated[Texts, Meta(description="Added to the checkpoint's")] | None = None
    metadata: Texts | None = None
    memory_mb: int | None = field(default=None, name="memoryMB")
    secret_store: str | None = None
    egress: EgressRules | None = None
    count: Annotated[int, Meta(description="1 to 50 forks at once, all or none; the answer is an array")] | None = None


class CreatePatch(msgspec.Struct, frozen=True):
    """Contract 2.7."""

    script: Annotated[str, Meta(description="Run by bash as root")]
    description: str | None = None


class PatchAnswer(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    checkpoint_id: str
    sequence: int
    script: str
    description: str
    created_at: Time
    strategy: str = "on_wake"


class PatchCreated(msgspec.Struct, frozen=True):
    patch: PatchAnswer


class Identity(msgspec.Struct, frozen=True):
    """Contract 1.7; its keys are in snake case there too."""

    org_id: str
    org_name: str | None
    user_id: str | None = None
    email: str | None = None


class Exec(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.2.1, 2.3.1; `user` is ours. Only described here: the worker reads and checks it."""

    cmd: str
    args: list[str] | None = None
    envs: Texts | None = None
    cwd: Annotated[str, Meta(description="Absolute path")] | None = None
    timeout: Annotated[int, Meta(description="Seconds; 0: the call's default")] | None = None
    max_run_after_disconnect: int | None = None
    user: str | None = None


class ExecResult(msgspec.Struct, frozen=True, rename="camel"):
    exit_code: Annotated[int, Meta(description="-1: ended by a signal or by its timeout")]
    stdout: str
    stderr: str


class ExecStarted(msgspec.Struct, frozen=True, rename="camel"):
    exec_id: str
    running: bool
    started_at: Time


class ExecProgress(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    running: bool
    stdout: str
    stderr: str
    exit_code: int | None = None
    truncated: bool = False
    error: str | None = None


class ExecSession(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    session_id: str = field(name="sessionID")
    sandbox_id: str = field(name="sandboxID")
    command: str
    args: list[str] | None
    running: bool
    started_at: Time
    attached_clients: int
    exit_code: int | None = None


class Kill(msgspec.Struct, frozen=True):
    signal: Annotated[int, Meta(ge=1, le=64)] = 9


class Killed(msgspec.Struct, frozen=True):
    """Never empty: the reference command line decodes an object (contract 9.3)."""

    ok: bool


class CreateTerminal(msgspec.Struct, frozen=True):
    """Contract 2.8; `cwd`, `user` and `envs` are ours. Only described here: the worker reads and checks it."""

    cols: Annotated[int, Meta(ge=1, le=1000)] = 80
    rows: Annotated[int, Meta(ge=1, le=1000)] = 24
    shell: Annotated[str, Meta(description="Absolute path; /bin/bash or else /bin/sh when absent")] | None = None
    cwd: str | None = None
    user: str | None = None
    envs: Texts | None = None


class TerminalSession(msgspec.Struct, frozen=True):
    session_id: str = field(name="sessionID")
    sandbox_id: str = field(name="sandboxID")


class Terminal(msgspec.Struct, frozen=True, rename="camel"):
    """Ours."""

    session_id: str = field(name="sessionID")
    sandbox_id: str = field(name="sandboxID")
    shell: str
    started_at: Time
    attached_clients: int


class TerminalSize(msgspec.Struct, frozen=True):
    cols: Annotated[int, Meta(ge=1, le=1000)]
    rows: Annotated[int, Meta(ge=1, le=1000)]


class CreatePreview(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.9.1."""

    port: Annotated[int, Meta(description="1 to 65535")]
    domain: Annotated[str, Meta(description="A host name of your own that leads here")] | None = None
    auth_config: Annotated[dict[str, Any], Meta(description="Kept and given back; see previewAuth")] | None = None


class PreviewAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.9.1; `url` is ours."""

    id: str
    sandbox_id: str
    org_id: str
    hostname: str
    port: int
    ssl_status: str
    auth_config: dict[str, Any]
    created_at: Time
    url: Annotated[str, Meta(description="What to open in a browser")]
    custom_hostname: str | None = None


class PreviewToken(msgspec.Struct, frozen=True, rename="camel"):
    preview_auth_token: Annotated[str, Meta(description="Shown once; the former one is dead")]
    scheme: str = "bearer"


class CreateSecretStore(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.11.1."""

    name: str
    egress_allowlist: Annotated[list[str], Meta(description=PATTERNS)] | None = None


class ChangeSecretStore(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.11.4: what is absent stays."""

    name: str | None = None
    egress_allowlist: Annotated[list[str], Meta(description=PATTERNS)] | None = None


class SecretStoreAnswer(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    org_id: str
    name: str
    egress_allowlist: list[str]
    created_at: Time
    updated_at: Time


class SetSecret(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.11.6."""

    value: Annotated[str, Meta(description="Never given back")]
    allowed_hosts: Annotated[list[str], Meta(description=PATTERNS)] | None = None


class SecretWasSet(msgspec.Struct, frozen=True):
    """All values are strings (contract 9.3)."""

    name: str
    status: str = "set"


class SecretAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.11.7: without its value."""

    store_id: str
    name: str
    allowed_hosts: list[str]
    created_at: Time
    updated_at: Time


class ScaleSandbox(msgspec.Struct, frozen=True, rename="camel"):
    """Contract 2.1.10; one of them may lack."""

    memory_mb: Annotated[int, Meta(description="From 128 up")] | None = field(default=None, name="memoryMB")
    cpu_count: Annotated[float, Meta(description="vCPUs, in steps of 0.25")] | None = None


class ScaledAnswer(msgspec.Struct, frozen=True, rename="camel"):
    sandbox_id: str = field(name="sandboxID")
    memory_mb: int = field(name="memoryMB")
    cpu_percent: Annotated[int, Meta(description="100 is one vCPU")]
    worker_id: str = field(name="workerID")
    autoscale_disabled: Annotated[bool, Meta(description="It was on until now")]
    migrated: bool = False
    ok: bool = True


class SetAutoscale(msgspec.Struct, frozen=True, rename="camel"):
    enabled: bool
    min_memory_mb: Annotated[int, Meta(description="From 128 up")] | None = field(default=None, name="minMemoryMB")
    max_memory_mb: int | None = field(default=None, name="maxMemoryMB")


class AutoscaleAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The sizes are 0 when it is not enabled."""

    sandbox_id: str = field(name="sandboxID")
    enabled: bool
    min_memory_mb: int = field(name="minMemoryMB")
    max_memory_mb: int = field(name="maxMemoryMB")


class ScalingLock(msgspec.Struct, frozen=True):
    locked: Annotated[bool, Meta(description="true: it also ends autoscaling")]


class ScalingLockAnswer(msgspec.Struct, frozen=True):
    sandbox_id: str = field(name="sandboxID")
    locked: bool


class AllowedHosts(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Contract 2.1.11."""

    sandbox_id: str = field(name="sandboxID")
    egress_allowlist: list[str]
    per_secret_allowed_hosts: dict[str, list[str]]
    secret_store: str | None = None
    base_secret_store: str | None = None


class EgressAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """`governed`: what it sends passes the egress proxy. `allowHosts`: null is any host."""

    sandbox_id: str = field(name="sandboxID")
    governed: bool
    deny_all: bool
    allow_hosts: list[str] | None
    allow_cidrs: list[str]
    secret_stores: list[str]


class Refusal(msgspec.Struct, frozen=True):
    at: Time
    host: str
    port: int
    reason: str


class AuditEntry(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    at: Time
    actor: Annotated[str, Meta(description="Prefix, owner and name of a key; a person's e-mail address; or `host`")]
    actor_kind: Annotated[str, Meta(description="key, person or host")]
    address: Annotated[str, Meta(description="Where it came from; empty for `oc-host`")]
    call: Annotated[str, Meta(description="Name of the call, or of what was done on the dashboard or the host")]
    object: Annotated[str, Meta(description="Ids from the outside in, with slashes between them")]
    status: Annotated[int, Meta(description="Of the answer; 0 for `oc-host`")]
    request_id: str


class AuditPage(msgspec.Struct, frozen=True):
    entries: list[AuditEntry]
    next: Annotated[str | None, Meta(description="Cursor of what is older; null when there is nothing")]


class FileEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    name: str
    is_dir: bool
    path: str
    size: int = 0


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The error envelope (contract 1.5)."""

    error: Annotated[str, Meta(description="What failed, on what and why")]
    code: Annotated[str, Meta(description="For scripts")]
    hint: Annotated[str, Meta(description="What to do")] = ""
