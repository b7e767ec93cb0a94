"""What can go wrong on the way into a sandbox and back, as what the client is told."""

from __future__ import annotations

import structlog

from oc.model.errors import BadRequest, OpenComputerError
from oc.server.preview import pages
from oc.server.preview.fields import Fields, Malformed
from oc.server.preview.pages import Page
from oc.server.preview.tunnel import Unreachable
from oc.server.preview.upstream import BadAnswer, Dropped, Late

log = structlog.get_logger()


class UpstreamFailed(OpenComputerError):  # noqa: N818 - as in model.errors
    status, code = 502, "upstream_failed"


class UpstreamLate(OpenComputerError):  # noqa: N818
    status, code = 504, "upstream_late"


def page(error: Exception, sandbox: str, port: int, fields: Fields) -> Page:
    """`fields` are the request's. What nobody has thought of is logged."""
    if isinstance(error, Unreachable):
        log.debug("preview unreachable", sandbox=sandbox, port=port, reason=str(error))
        return pages.unreachable(sandbox, port, fields)
    return pages.of_error(_told(error, sandbox, port), fields)


def _told(error: Exception, sandbox: str, port: int) -> OpenComputerError:
    match error:
        case OpenComputerError():
            return error
        case Malformed():
            return BadRequest(f"the request is not valid HTTP: {error}")
        case Dropped() | BadAnswer():
            return UpstreamFailed(f"sandbox {sandbox}: port {port}: {error}")
        case Late():
            return UpstreamLate(f"sandbox {sandbox}: port {port}: no answer in time")
    log.error("unexpected error on a preview", sandbox=sandbox, exc_info=error)
    return OpenComputerError("something went wrong here")
