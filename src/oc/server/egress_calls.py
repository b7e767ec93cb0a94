"""What a sandbox may reach: show, set and take back its rules; what it was refused (contract 2.1.11, and ours)."""

from __future__ import annotations

from functools import partial
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from oc.api.bodies import AllowedHosts, EgressAnswer, EgressRules, Refusal
from oc.api.timestamps import rfc3339
from oc.model.egress import Rules
from oc.model.errors import BadRequest, NotFound, TooLarge
from oc.server import answers, request_body
from oc.server.changes import Changes
from oc.server.egress import Governing, allowlist
from oc.server.gate import Gate, refusal
from oc.server.hosts import Worker
from oc.server.patterns import patterns
from oc.store.accounts import Caller
from oc.store.sandboxes import Sandbox, Sandboxes

MOST_CIDRS = 100


def rules(body: EgressRules | None, network_enabled: bool | None = None) -> Rules | None:
    """None: nothing is said. Raises BadRequest and TooLarge, which name the field."""
    if network_enabled is False:
        return Rules(deny_all=True)
    if body is None:
        return None
    if body.deny_all and (body.allow_hosts or body.allow_cidrs):
        raise BadRequest("egress: denyAll goes with neither allowHosts nor allowCidrs")
    return Rules(
        deny_all=bool(body.deny_all),
        allow_hosts=patterns("egress.allowHosts", body.allow_hosts or ()),
        allow_cidrs=_cidrs(body.allow_cidrs or ()),
    )


def _cidrs(texts: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    if len(texts) > MOST_CIDRS:
        raise TooLarge(f"egress.allowCidrs may have at most {MOST_CIDRS} entries")
    try:
        return tuple(str(IPv4Network(text)) for text in texts)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise BadRequest(f"egress.allowCidrs: {error}", hint="write an IPv4 network, as 203.0.113.0/24") from error


async def answer(governing: Governing, row: Sandbox) -> EgressAnswer:
    """What a sandbox may reach, for people and programs."""
    reach = await governing.reach(row)
    if reach is None:
        return EgressAnswer(row.id, False, False, None, [], [])
    stores = [store.name for store in await governing.stores(row.wish.egress)]
    hosts = None if reach.allow_hosts is None else list(reach.allow_hosts)
    return EgressAnswer(row.id, True, reach.deny_all, hosts, list(reach.allow_cidrs), stores)


class EgressCalls:
    def __init__(
        self, sandboxes: Sandboxes, governing: Governing, worker: Worker, gate: Gate, changes: Changes
    ) -> None:
        self._sandboxes = sandboxes
        self._governing = governing
        self._worker = worker
        self._gate = gate
        self._changes = changes

    async def allowed_hosts(self, request: Request, caller: Caller) -> Response:
        row = await self._gate.any(request, caller)
        stores = await self._governing.stores(row.wish.egress)
        names = [store.name for store in stores]
        hosts = {
            each.name: list(each.allowed_hosts) for each in await self._governing.secrets(row) if each.allowed_hosts
        }
        shown = AllowedHosts(
            row.id,
            list(allowlist(stores)),
            hosts,
            names[-1] if names else None,
            names[0] if len(names) > 1 else None,
        )
        return answers.json(shown)

    async def show(self, request: Request, caller: Caller) -> Response:
        return answers.json(await answer(self._governing, await self._gate.any(request, caller)))

    async def set(self, request: Request, caller: Caller) -> Response:
        wanted = rules(await request_body.read(request, EgressRules))
        return await self._change(await self._gate.any(request, caller), wanted)

    async def clear(self, request: Request, caller: Caller) -> Response:
        return await self._change(await self._gate.any(request, caller), None)

    async def refusals(self, request: Request, caller: Caller) -> Response:
        row = await self._gate.any(request, caller)
        found = await self._worker.violations(row.id)
        return answers.json([Refusal(rfc3339(each.at) or "", each.host, each.port, each.reason) for each in found])

    async def _change(self, row: Sandbox, wanted: Rules | None) -> Response:
        """In line with what else is done to it, so that no start misses it."""
        changed = await self._changes.do(row.id, f"egress {wanted}", partial(self._set, row.id, wanted))
        return answers.json(await answer(self._governing, changed))

    async def _set(self, id: str, wanted: Rules | None) -> Sandbox:
        """A frozen sandbox is told as well: it keeps its address, and what the worker knows of it, until it wakes."""
        row = await self._row(id)
        egress = msgspec.structs.replace(row.wish.egress, rules=wanted)
        changed = await self._sandboxes.set_egress(id, egress)
        row = await self._row(id)
        if not changed:
            raise refusal(row)
        if egress.governed:
            await self._governing.apply(row)
        else:
            await self._worker.release(id)
        return row

    async def _row(self, id: str) -> Sandbox:
        row = await self._sandboxes.get(id)
        if row is None:  # rows are never deleted
            raise NotFound(f"sandbox not found: {id}")
        return row
