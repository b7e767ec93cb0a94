"""The OpenAPI 3.1 document, derived from the table of calls."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import msgspec

from oc import __version__
from oc.api.bodies import Problem
from oc.api.calls import CALLS, PREFIX, Call, Kind, Query, Raw

REF = "#/components/schemas/{name}"
UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
PATTERNS = {
    "id": "^sb-[0-9a-f]{8}$",
    "session": "^[0-9a-f]{8}$",
    "checkpoint": UUID,
    "patch": UUID,
    "port": "^[1-9][0-9]{0,4}$",
    "store": UUID,
    "name": "^[A-Za-z_][A-Za-z0-9_]{0,127}$",
}
JSON = "application/json"
SECURITY = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
PARAMETER = re.compile(r"{(\w+)}")


def document() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {"title": "OpenComputer", "version": __version__, "description": "Disposable Linux sandboxes."},
        "servers": [{"url": PREFIX}],
        "security": [{name: []} for name in SECURITY],
        "paths": paths,
        "components": {"schemas": _components(), "securitySchemes": SECURITY},
    }


def _operation(call: Call) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": call.name,
        "summary": call.summary,
        "parameters": [_in_path(name) for name in PARAMETER.findall(call.path)] + [_in_query(q) for q in call.query],
        "responses": {str(status): _response(status, body) for status, body in _outcomes(call).items()},
    }
    if call.body is not None:
        operation["requestBody"] = {"content": _content(call.body), "required": False}
    if call.creates:
        operation["parameters"].append(IDEMPOTENCY)
    if call.kind is Kind.CHANNEL:
        operation["x-websocket"] = True
    return operation


IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key again within 24 hours is the same request: it is done once and answered alike.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def _outcomes(call: Call) -> dict[int, Any]:
    return call.answers | dict.fromkeys(sorted(call.problems), Problem)


def _in_path(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": PATTERNS[name]}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(query: Query) -> dict[str, Any]:
    return {
        "name": query.name,
        "in": "query",
        "required": query.required,
        "description": query.summary,
        "schema": {"type": "string"},
    }


def _response(status: int, body: Any) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if body is not None:
        response["content"] = _content(body)
    return response


def _content(body: Any) -> dict[str, Any]:
    if isinstance(body, Raw):
        return {body.value: {"schema": {"type": "string", "format": "binary"}}}
    (schema,), _ = msgspec.json.schema_components([body], ref_template=REF)
    return {JSON: {"schema": schema}}


def _components() -> dict[str, Any]:
    bodies = [body for call in CALLS for body in (call.body, *call.answers.values()) if body is not None]
    _, components = msgspec.json.schema_components(
        [body for body in bodies if not isinstance(body, Raw)] + [Problem], ref_template=REF
    )
    return components
