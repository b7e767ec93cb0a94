"""For which host names a web server in front may get certificates: Caddy asks first (docs/previews.md).

A name that nobody has recorded gets none, so that strangers cannot use up what a certificate authority allows.
"""

from __future__ import annotations

from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import Response

from oc.model.errors import NotFound
from oc.server import preview_names
from oc.server.preview_names import Names
from oc.settings import Settings
from oc.store.previews import Previews

OF_PROXIES = frozenset(("forwarded", "x-forwarded-for"))  # RFC 7239; Caddy's own question has neither


class Certificates:
    def __init__(self, settings: Settings, previews: Previews) -> None:
        self._names = Names(settings)
        self._previews = previews

    async def ask(self, request: Request) -> Response:
        """Answers only who runs on this host, and not what has come through them: who has which name is no secret, but
        nobody's business either.
        """
        name = preview_names.normal(request.query_params.get("domain", ""))
        if not (_from_this_host(request) and preview_names.is_host_name(name) and await self._recorded(name)):
            raise NotFound("no such host name here")
        return Response(status_code=200)

    async def _recorded(self, name: str) -> bool:
        if name == self._names.public:
            return True
        if (place := preview_names.place(name)) is not None and name == self._names.hostname(*place):
            return await self._previews.get(*place) is not None
        return self._names.may_be_custom(name) and await self._previews.named(name) is not None


def _from_this_host(request: Request) -> bool:
    direct = request.client is not None and OF_PROXIES.isdisjoint(request.headers.keys())
    return direct and request.client is not None and ip_address(request.client.host).is_loopback
