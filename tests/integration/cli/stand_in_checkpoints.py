"""The stand-in server's checkpoints and patches, and a family of sandboxes to draw.

A new checkpoint's name says what becomes of it: `quick`, `slow` (it waits for the blob store, and is ready at the third
look), `doomed`, `fleeting` (deleted after the first look), `endless`, `interrupted` (the first two looks find a server
that is starting). `absent` is an id of nothing.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from tests.integration.cli.stand_in import StandIn

AWAY = "the blob store is away"


def checkpoint(id: str, sandbox: str, **more: Any) -> dict[str, Any]:
    made = {"id": id, "sandboxId": sandbox, "orgId": "o-1", "name": id, "kind": "full", "status": "processing"}
    times = {"createdAt": "2026-01-02T05:04:05.678901+02:00", "sizeBytes": 0, "isPublic": False, "sandboxConfig": {}}
    return made | times | more


def ready(id: str, sandbox: str, **more: Any) -> dict[str, Any]:
    return checkpoint(id, sandbox, status="ready", sizeBytes=12_897_485) | more


FAMILY = [  # the newest first, as the API lists them
    {"sandboxID": "sb-0000000e", "status": "running", "fromCheckpointId": "deleted"},
    {"sandboxID": "sb-0000000d", "status": "stopped", "fromCheckpointId": "second"},
    {"sandboxID": "sb-0000000c", "status": "running", "fromCheckpointId": "second"},
    {"sandboxID": "sb-0000000b", "status": "hibernated", "fromCheckpointId": "first", "name": None},
    {"sandboxID": "sb-0000000a", "status": "stopped", "fromCheckpointId": None},
]
LISTS = {
    "sb-0000000a": [checkpoint("third", "sb-0000000a"), ready("first", "sb-0000000a", name="\x1b[31mred")],
    "sb-0000000b": [ready("second", "sb-0000000b")],
    "sb-00000000": [],
}


class Checkpoints:
    def __init__(self, server: StandIn) -> None:
        self.server = server
        self.made: dict[str, dict[str, Any]] = {}
        self.looks: dict[str, int] = {}
        self.numbers = itertools.count(1)

    def routes(self) -> list[Route]:
        one, patches = "/api/sandboxes/checkpoints/{checkpoint}", "/api/sandboxes/checkpoints/{checkpoint}/patches"
        of_sandbox = "/api/sandboxes/{id}/checkpoints"
        return [
            Route("/api/sandboxes/from-checkpoint/{checkpoint}", self.spawn, methods=["POST"]),
            Route(f"{one}/publish", self.publish, methods=["POST"]),
            Route(f"{one}/unpublish", self.publish, methods=["POST"]),
            Route(patches, self.patches, methods=["GET", "POST"]),
            Route(f"{patches}/{{patch}}", self.delete, methods=["DELETE"]),
            Route(of_sandbox, self.checkpoints, methods=["GET", "POST"]),
            Route(f"{of_sandbox}/{{checkpoint}}", self.delete, methods=["DELETE"]),
            Route(f"{of_sandbox}/{{checkpoint}}/restore", self.restore, methods=["POST"]),
            Route("/api/sandboxes/{id}/hibernate", self.hibernate, methods=["POST"]),
            Route("/api/sandboxes/{id}/wake", self.wake, methods=["POST"]),
            Route("/api/sandboxes/{id}/reboot", self.server.no_content, methods=["POST"]),
            Route("/api/sandboxes/{id}/power-cycle", self.server.no_content, methods=["POST"]),
        ]

    async def checkpoints(self, request: Request) -> Response:
        body = await self.server.note(request)
        if refused := self.server.refusal(request):
            return refused
        id = request.path_params["id"]
        if request.method == "POST":
            made = checkpoint(f"{body['name']}-{next(self.numbers)}", id, name=body["name"])
            self.made[made["id"]] = made
            return JSONResponse(made, 201)
        mine = [made for made in self.made.values() if made["sandboxId"] == id]
        if any(made["name"] == "interrupted" and self.look(made) < 3 for made in mine):
            return JSONResponse({"error": "starting"}, 503)
        return JSONResponse(LISTS.get(id, []) + [seen for made in mine if (seen := self.seen(made))])

    def look(self, made: dict[str, Any]) -> int:
        self.looks[made["id"]] = self.looks.get(made["id"], 0) + 1
        return self.looks[made["id"]]

    def seen(self, made: dict[str, Any]) -> dict[str, Any] | None:
        look = self.look(made)
        match made["name"]:
            case "slow" if look < 3:
                return made | {"errorMsg": AWAY}
            case "endless":
                return made
            case "doomed":
                return made | {"status": "failed", "errorMsg": "the disk is full"}
            case "fleeting":
                return made if look == 1 else None
        return ready(made["id"], made["sandboxId"], name=made["name"])

    async def restore(self, request: Request) -> Response:
        await self.server.note(request)
        restoring = {"sandboxId": request.path_params["id"], "checkpointId": request.path_params["checkpoint"]}
        return self.server.refusal(request) or JSONResponse(restoring | {"status": "restoring"})

    async def spawn(self, request: Request) -> Response:
        body = await self.server.note(request)
        if request.path_params["checkpoint"] == "absent":
            return JSONResponse({"error": "checkpoint not found"}, 404)
        made = [
            {"sandboxID": f"sb-0000010{number}", "status": "running", "fromCheckpointId": "first"}
            for number in range(body.get("count", 1))
        ]
        made[0]["patchError"] = "patch seq 2 failed: exit code 3"
        return JSONResponse(made if "count" in body else made[0], 201)

    async def publish(self, request: Request) -> Response:
        public = request.url.path.endswith("/publish")
        return JSONResponse(ready(request.path_params["checkpoint"], "sb-0000000a", isPublic=public))

    async def patches(self, request: Request) -> Response:
        body = await self.server.note(request)
        patch = {
            "id": "patch-1",
            "checkpointId": request.path_params["checkpoint"],
            "sequence": 7,
            "script": body.get("script", "true"),
            "description": body.get("description", ""),
            "strategy": "on_wake",
            "createdAt": "2026-01-02T03:04:05.678901Z",
        }
        if request.method == "POST":
            return JSONResponse({"patch": patch}, 201)
        return JSONResponse([patch] if patch["checkpointId"] == "first" else None)

    async def delete(self, request: Request) -> Response:
        if "absent" in request.path_params.values():
            return JSONResponse({"error": "not found"}, 404)
        return self.server.refusal(request) or Response(status_code=204)

    async def hibernate(self, request: Request) -> Response:
        await self.server.note(request)
        id = request.path_params["id"]
        size = {"sizeBytes": 12_897_485} if id == "sb-00000001" else {"sizeBytes": 0}
        return self.server.refusal(request) or JSONResponse({"sandboxID": id, "status": "hibernated"} | size)

    async def wake(self, request: Request) -> Response:
        await self.server.note(request)
        woken = {"sandboxID": request.path_params["id"], "status": "running"}
        return self.server.refusal(request) or JSONResponse(woken)
