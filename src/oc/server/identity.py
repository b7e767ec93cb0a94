"""Whose key this is (contract 1.7)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import Identity
from oc.server import answers
from oc.store.accounts import Caller


async def who_am_i(_: Request, caller: Caller) -> Response:
    return answers.json(Identity(caller.org_id, caller.org_name, caller.user_id, caller.email))
