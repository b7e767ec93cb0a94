"""The HTTP API as a table: routes, authentication, OpenAPI and tests are derived from it (contract 2).

Order matters where a literal path competes with a parameter (contract 9.8): the literal one comes first.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from oc.api import bodies

PREFIX = "/api"


class Kind(enum.Enum):
    OWN = enum.auto()  # answered by the control plane
    RELAY = enum.auto()  # passed to the worker that has the sandbox, bodies untouched
    CHANNEL = enum.auto()  # the same for a WebSocket


class Raw(enum.Enum):
    """A body that is not JSON."""

    BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Query:
    name: str
    summary: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """`answers` maps each status of success to its body (None: no body); `problems` are the statuses of failure."""

    name: str
    method: str
    path: str
    summary: str
    answers: dict[int, Any]
    problems: tuple[int, ...]
    body: Any = None
    query: tuple[Query, ...] = ()
    kind: Kind = Kind.OWN
    scope: str = "sandbox:*"
    creates: bool = False  # takes an Idempotency-Key

    @property
    def route(self) -> str:
        return PREFIX + self.path


SANDBOX = "/sandboxes/{id}"
EXEC = f"{SANDBOX}/exec"
FILES = f"{SANDBOX}/files"
PTY = f"{SANDBOX}/pty"
PREVIEW = f"{SANDBOX}/preview"
STORE = "/secret-stores/{store}"
CHECKPOINTS = f"{SANDBOX}/checkpoints"
CHECKPOINT = "/sandboxes/checkpoints/{checkpoint}"
PATCHES = f"{CHECKPOINT}/patches"
USE = (401, 404, 410, 429, 500, 501, 502, 503)  # of whatever is done in a sandbox
SEND = (400, 413, *USE)
OF_CHECKPOINT = (400, 401, 403, 404)
FILE = Query("path", "Absolute path in the sandbox", required=True)
STATUS = Query("status", "Comma-separated states, or `all`; running and hibernated when absent")
AUDIT = (
    Query("since", "Not what was before: a time, as 2026-01-02T03:04:05Z"),
    Query("until", "Only what was before: a time"),
    Query("call", "Name of a call"),
    Query("object", "An id, of a sandbox, a checkpoint, a secret store, a key..."),
    Query("actor", "Part of the name of who did it"),
    Query("limit", "How many at most, up to 500; 100 when absent"),
    Query("cursor", "`next` of the page before"),
)

CALLS: tuple[Call, ...] = (
    Call("createSandbox", "POST", "/sandboxes", "Create a sandbox; answered when it runs commands",
         {201: bodies.SandboxAnswer}, (400, 401, 404, 409, 410, 413, 429, 500, 501, 503), bodies.CreateSandbox,
         creates=True),
    Call("listSandboxes", "GET", "/sandboxes", "List sandboxes, newest first",
         {200: list[bodies.SandboxAnswer]}, (400, 401), query=(STATUS,)),
    Call("forkCheckpoint", "POST", "/sandboxes/from-checkpoint/{checkpoint}",
         "Make sandboxes that go on where a checkpoint stood; answered when they run and are patched",
         {201: bodies.SandboxAnswer | list[bodies.SandboxAnswer]}, (403, 409, *SEND), bodies.Fork, creates=True),
    Call("publishCheckpoint", "POST", f"{CHECKPOINT}/publish", "Let other organizations fork a checkpoint",
         {200: bodies.CheckpointAnswer}, OF_CHECKPOINT),
    Call("unpublishCheckpoint", "POST", f"{CHECKPOINT}/unpublish", "Keep a checkpoint to its organization",
         {200: bodies.CheckpointAnswer}, OF_CHECKPOINT),
    Call("createPatch", "POST", PATCHES, "Add a script that is run in each fork, and when forks wake",
         {201: bodies.PatchCreated}, (409, 413, 503, *OF_CHECKPOINT), bodies.CreatePatch, creates=True),
    Call("listPatches", "GET", PATCHES, "List patches in the order in which they are run",
         {200: list[bodies.PatchAnswer]}, OF_CHECKPOINT),
    Call("deletePatch", "DELETE", f"{PATCHES}/{{patch}}", "Delete a patch; where it has run it is not undone",
         {204: None}, OF_CHECKPOINT),
    Call("getSandbox", "GET", SANDBOX, "Show a sandbox, whatever its state",
         {200: bodies.SandboxAnswer}, (401, 404)),
    Call("killSandbox", "DELETE", SANDBOX, "End a sandbox and delete its disk",
         {204: None}, (401, 404, 500), query=(Query("deleteSecretStore", "true: its secret store is deleted, too"),)),
    Call("setTimeout", "POST", f"{SANDBOX}/timeout", "Set the idle timeout",
         {204: None}, SEND, bodies.SetTimeout),
    Call("hibernateSandbox", "POST", f"{SANDBOX}/hibernate", "Put a sandbox to sleep, with its memory and processes",
         {200: bodies.Hibernated}, (400, 401, 404, 410, 500, 501, 503)),
    Call("wakeSandbox", "POST", f"{SANDBOX}/wake", "Wake a sandbox and set its idle timeout",
         {200: bodies.SandboxAnswer}, SEND, bodies.Wake),
    Call("rebootSandbox", "POST", f"{SANDBOX}/reboot", "Boot it again from its disk; processes and memory are lost",
         {204: None}, (400, *USE)),
    Call("powerCycleSandbox", "POST", f"{SANDBOX}/power-cycle", "Stop it hard and boot it again from its disk",
         {204: None}, (400, *USE)),
    Call("scaleSandbox", "POST", f"{SANDBOX}/scale", "Give a sandbox other memory or CPUs, while it runs",
         {200: bodies.ScaledAnswer}, (403, 409, *SEND), bodies.ScaleSandbox),
    Call("getAutoscale", "GET", f"{SANDBOX}/autoscale", "Show whether its memory follows what it uses",
         {200: bodies.AutoscaleAnswer}, (401, 404)),
    Call("setAutoscale", "PUT", f"{SANDBOX}/autoscale", "Let its memory follow what it uses, or no more",
         {200: bodies.AutoscaleAnswer}, (400, 401, 403, 404, 410, 413, 503), bodies.SetAutoscale),
    Call("getScalingLock", "GET", f"{SANDBOX}/scaling-lock", "Show whether a sandbox may be scaled",
         {200: bodies.ScalingLockAnswer}, (401, 404)),
    Call("setScalingLock", "PUT", f"{SANDBOX}/scaling-lock", "Keep a sandbox at its size, or let it be scaled again",
         {200: bodies.ScalingLockAnswer}, (400, 401, 404, 410, 413), bodies.ScalingLock),
    Call("createCheckpoint", "POST", CHECKPOINTS, "Save a sandbox as it is now; it runs on",
         {201: bodies.CheckpointAnswer}, (409, *SEND), bodies.CreateCheckpoint, creates=True),
    Call("listCheckpoints", "GET", CHECKPOINTS, "List a sandbox's checkpoints, newest first, whatever its state",
         {200: list[bodies.CheckpointAnswer]}, (401, 404)),
    Call("deleteCheckpoint", "DELETE", f"{CHECKPOINTS}/{{checkpoint}}", "Delete a checkpoint; its forks live on",
         {204: None}, (400, 401, 404)),
    Call("restoreCheckpoint", "POST", f"{CHECKPOINTS}/{{checkpoint}}/restore",
         "Put a sandbox back to a checkpoint; calls that follow wait until that is done",
         {200: bodies.Restoring}, (400, *USE)),
    Call("whoAmI", "GET", "/whoami", "Show whose key this is",
         {200: bodies.Identity}, (401,)),
    Call("listAudit", "GET", "/audit", "Show who did what, newest first; for admins and their keys",
         {200: bodies.AuditPage}, (400, 401, 403), query=AUDIT),
    Call("showAllowedHosts", "GET", f"{SANDBOX}/allowed-hosts", "Show which hosts its secret stores let it reach",
         {200: bodies.AllowedHosts}, (401, 404)),
    Call("showEgress", "GET", f"{SANDBOX}/egress", "Show what a sandbox may reach",
         {200: bodies.EgressAnswer}, (401, 404)),
    Call("setEgress", "PUT", f"{SANDBOX}/egress", "Say what a sandbox may reach from now on",
         {200: bodies.EgressAnswer}, (400, 401, 404, 410, 413, 501, 503), bodies.EgressRules),
    Call("clearEgress", "DELETE", f"{SANDBOX}/egress", "Take back what was said; its secret stores still count",
         {200: bodies.EgressAnswer}, (401, 404, 410, 503)),
    Call("listRefusals", "GET", f"{SANDBOX}/egress/refusals", "List what it was refused, latest first",
         {200: list[bodies.Refusal]}, (401, 404, 503)),
    Call("execRun", "POST", f"{EXEC}/run", "Run a command and wait for its output",
         {200: bodies.ExecResult}, SEND, bodies.Exec, kind=Kind.RELAY),
    Call("execRunAsync", "POST", f"{EXEC}/run-async", "Run a command; answered when it ended soon, else at once",
         {200: bodies.ExecResult, 202: bodies.ExecStarted}, SEND, bodies.Exec, kind=Kind.RELAY),
    Call("execResult", "GET", f"{EXEC}/{{session}}/result", "Output so far of a command that was started",
         {200: bodies.ExecProgress}, USE, kind=Kind.RELAY),
    Call("execCreate", "POST", EXEC, "Start a session to attach to",
         {201: bodies.ExecSession}, SEND, bodies.Exec, kind=Kind.RELAY),
    Call("execList", "GET", EXEC, "List sessions",
         {200: list[bodies.ExecSession]}, USE, kind=Kind.RELAY),
    Call("execKill", "POST", f"{EXEC}/{{session}}/kill", "Send a signal to a session's processes",
         {200: bodies.Killed}, SEND, bodies.Kill, kind=Kind.RELAY),
    Call("execAttach", "GET", f"{EXEC}/{{session}}", "Attach to a session (WebSocket)",
         {101: None}, (400, *USE), kind=Kind.CHANNEL),
    Call("ptyCreate", "POST", PTY, "Start a shell on a terminal of its own, to attach to",
         {201: bodies.TerminalSession}, SEND, bodies.CreateTerminal, kind=Kind.RELAY),
    Call("ptyList", "GET", PTY, "List the terminals whose shells run, to come back to one",
         {200: list[bodies.Terminal]}, USE, kind=Kind.RELAY),
    Call("ptyResize", "POST", f"{PTY}/{{session}}/resize", "Tell a terminal its new size",
         {200: None}, SEND, bodies.TerminalSize, kind=Kind.RELAY),
    Call("ptyDelete", "DELETE", f"{PTY}/{{session}}", "End a terminal's shell and forget it",
         {204: None}, USE, kind=Kind.RELAY),
    Call("ptyAttach", "GET", f"{PTY}/{{session}}", "Attach to a terminal (WebSocket)",
         {101: None}, (400, *USE), kind=Kind.CHANNEL),
    Call("createPreview", "POST", PREVIEW, "List a port of a sandbox as a preview URL, or give it a domain of your own",
         {201: bodies.PreviewAnswer, 200: bodies.PreviewAnswer}, (400, 401, 404, 409, 410, 413, 503),
         bodies.CreatePreview),
    Call("listPreviews", "GET", PREVIEW, "List the preview URLs of a sandbox",
         {200: list[bodies.PreviewAnswer]}, (401, 404)),
    Call("rotatePreviewToken", "POST", f"{PREVIEW}/rotate", "Let previews in with a new token only",
         {200: bodies.PreviewToken}, (401, 404, 410)),
    Call("deletePreview", "DELETE", f"{PREVIEW}/{{port}}", "Take a preview URL off the list",
         {204: None}, (400, 401, 404)),
    Call("createSecretStore", "POST", "/secret-stores", "Make a secret store",
         {201: bodies.SecretStoreAnswer}, (400, 401, 409, 413, 429), bodies.CreateSecretStore),
    Call("listSecretStores", "GET", "/secret-stores", "List secret stores, by name",
         {200: list[bodies.SecretStoreAnswer]}, (401,)),
    Call("getSecretStore", "GET", STORE, "Show a secret store",
         {200: bodies.SecretStoreAnswer}, (400, 401, 404)),
    Call("changeSecretStore", "PUT", STORE, "Rename a secret store, or let other hosts be reached with it",
         {200: bodies.SecretStoreAnswer}, (400, 401, 404, 409, 413), bodies.ChangeSecretStore),
    Call("deleteSecretStore", "DELETE", STORE, "Delete a secret store and its secrets",
         {204: None}, (400, 401, 404)),
    Call("listSecrets", "GET", f"{STORE}/secrets", "List the secrets of a store, without their values",
         {200: list[bodies.SecretAnswer]}, (400, 401, 404)),
    Call("setSecret", "PUT", f"{STORE}/secrets/{{name}}", "Set a secret; running sandboxes use the new value",
         {200: bodies.SecretWasSet}, (400, 401, 404, 413, 429), bodies.SetSecret),
    Call("deleteSecret", "DELETE", f"{STORE}/secrets/{{name}}", "Delete a secret",
         {204: None}, (400, 401, 404)),
    Call("readFile", "GET", FILES, "Read a file",
         {200: Raw.BYTES}, (400, *USE), query=(FILE,), kind=Kind.RELAY),
    Call("writeFile", "PUT", FILES, "Write a file and the directories above it",
         {204: None}, (409, *SEND), Raw.BYTES, (FILE,), Kind.RELAY),
    Call("removeFile", "DELETE", FILES, "Remove a file or a whole directory",
         {204: None}, (400, *USE), query=(FILE,), kind=Kind.RELAY),
    Call("listFiles", "GET", f"{FILES}/list", "List a directory",
         {200: list[bodies.FileEntry]}, (400, *USE), query=(Query("path", "Absolute path; / when absent"),),
         kind=Kind.RELAY),
    Call("makeDirectory", "POST", f"{FILES}/mkdir", "Make a directory and those above it",
         {204: None}, (400, 409, *USE), query=(FILE,), kind=Kind.RELAY),
)  # fmt: skip
