"""`curl -fsSL http://HOST/install.sh | bash`: the command line, from the server that it is to be used with.

What is answered here is run by a shell, so nothing of a request gets into it but a Host that is a host and a port.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oc.model.errors import BadRequest
from oc.server.cli_archive import archive

SCRIPT, ARCHIVE = "/install.sh", "/install/oc.tar.gz"  # the script asks for ARCHIVE
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST = re.compile(rf"({LABEL}(\.{LABEL}){{0,60}}|\[[0-9A-Fa-f:.]{{2,45}}\])(:[0-9]{{1,5}})?")  # RFC 3986, 3.2.2
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}  # it depends on the Host that was asked


def routes(public_url: str) -> list[BaseRoute]:
    """`public_url`: the setting; where it is empty, the server is where the request says that it has reached it."""
    functions = Path(__file__).with_suffix(".sh").read_text()
    packed = archive()
    checksum = hashlib.sha256(packed).hexdigest()

    async def script(request: Request) -> Response:
        call = shlex.join(("main", public_url or url_of(request), checksum))
        return Response(f"{functions}\n{call}\n", media_type="text/plain", headers=HEADERS)

    async def content(_: Request) -> Response:
        return Response(packed, media_type="application/gzip", headers=HEADERS)

    return [Route(SCRIPT, script), Route(ARCHIVE, content)]


def url_of(request: Request) -> str:
    """Raises BadRequest unless the request has one Host, which is a host."""
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
        raise BadRequest("the Host of this request is not a host", hint="ask as http://HOST:PORT/install.sh")
    return f"{request.url.scheme}://{hosts[0]}"
