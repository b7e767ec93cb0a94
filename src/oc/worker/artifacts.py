"""The part of the worker's HTTP interface that saves (checkpoints, hibernation, restore, and their artifacts), and what
else is done to a whole sandbox.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.host import threads
from oc.model.errors import BadRequest, NotFound
from oc.model.ids import UUID
from oc.model.sandbox import Checkpoint
from oc.worker import json_body
from oc.worker.supervisor import Supervisor


class Saving(msgspec.Struct, frozen=True):
    artifact: str  # id that the server has chosen and recorded
    memory: bool = True


class Resizing(msgspec.Struct, frozen=True):
    cpus: Annotated[float, msgspec.Meta(gt=0)]
    memory_mb: Annotated[int, msgspec.Meta(gt=0)]


def routes(supervisor: Supervisor) -> list[BaseRoute]:
    calls = Artifacts(supervisor)
    return [
        Route("/artifacts", calls.list),
        Route("/artifacts/{artifact}", calls.get),
        Route("/artifacts/{artifact}", calls.delete, methods=["DELETE"]),
        Route("/sandboxes/{id}/checkpoint", calls.checkpoint, methods=["POST"]),
        Route("/sandboxes/{id}/hibernate", calls.hibernate, methods=["POST"]),
        Route("/sandboxes/{id}/restore", calls.restore, methods=["POST"]),
        Route("/sandboxes/{id}/freeze", calls.freeze, methods=["POST"]),
        Route("/sandboxes/{id}/reboot", calls.reboot, methods=["POST"]),
        Route("/sandboxes/{id}/resize", calls.resize, methods=["POST"]),
    ]


class Artifacts:
    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._shelf = supervisor.parts.shelf

    async def list(self, _: Request) -> Response:
        return json_body.answer(await threads.call(self._shelf.records))

    async def get(self, request: Request) -> Response:
        return json_body.answer(await threads.call(self._shelf.record, _artifact(request)))

    async def delete(self, request: Request) -> Response:
        await self._supervisor.parts.storing.delete(_artifact(request))
        return Response(status_code=204)

    async def checkpoint(self, request: Request) -> Response:
        saving = _saving(await json_body.read(request))
        return json_body.answer(await self._supervisor.save(_id(request), saving.artifact, saving.memory))

    async def hibernate(self, request: Request) -> Response:
        saving = _saving(await json_body.read(request))
        return json_body.answer(await self._supervisor.hibernate(_id(request), saving.artifact))

    async def restore(self, request: Request) -> Response:
        saving = _saving(await json_body.read(request))
        origin = Checkpoint(saving.artifact, saving.memory)
        return json_body.answer(await self._supervisor.restore(_id(request), origin))

    async def freeze(self, request: Request) -> Response:
        return json_body.answer(await self._supervisor.freeze(_id(request)))

    async def reboot(self, request: Request) -> Response:
        return json_body.answer(await self._supervisor.reboot(_id(request)))

    async def resize(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await json_body.read(request), type=Resizing)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"the body does not say which size: {error}") from error
        return json_body.answer(await self._supervisor.resize(_id(request), wanted.cpus, wanted.memory_mb))


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _artifact(request: Request) -> str:
    """It becomes part of a path."""
    id = str(request.path_params["artifact"])
    if not UUID.fullmatch(id):
        raise NotFound(f"no artifact {id[:64]}")
    return id


def _saving(body: bytes) -> Saving:
    try:
        saving = msgspec.json.decode(body, type=Saving)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body does not say what to save: {error}") from error
    if not UUID.fullmatch(saving.artifact):
        raise BadRequest(f"artifact must be a UUID, not {saving.artifact[:64]!r}")
    return saving
