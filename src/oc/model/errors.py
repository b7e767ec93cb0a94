"""What can go wrong, as a table of types: each has its HTTP status and a code that scripts can read.

An error's text says what failed, on what and why; its hint says what to do. They are turned into answers once, at the
edge (contract 1.5: `{"error", "code", "hint"}`).
"""

from __future__ import annotations

from typing import Any, ClassVar


class OpenComputerError(Exception):
    """Base of every error that a caller is told about."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, text: str, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.details = details

    def body(self) -> dict[str, Any]:
        """The error envelope of contract 1.5."""
        body: dict[str, Any] = {"error": self.text, "code": self.code, **self.details}
        if self.hint:
            body["hint"] = self.hint
        return body


class BadRequest(OpenComputerError):  # noqa: N818 - the names are the field's, and read as what they are
    status, code = 400, "bad_request"


class Unauthorized(OpenComputerError):  # noqa: N818
    status, code = 401, "unauthorized"


class Forbidden(OpenComputerError):  # noqa: N818
    status, code = 403, "forbidden"


class NotFound(OpenComputerError):  # noqa: N818
    status, code = 404, "not_found"


class MethodNotAllowed(OpenComputerError):  # noqa: N818
    status, code = 405, "method_not_allowed"


class Conflict(OpenComputerError):  # noqa: N818
    status, code = 409, "conflict"


class BelowUse(OpenComputerError):  # noqa: N818
    """A sandbox cannot have less memory than it uses (contract 2.1.10). `details`: a sentence with numbers."""

    status, code = 409, "oom_floor"


class Gone(OpenComputerError):  # noqa: N818
    """The sandbox has been stopped (contract 4.1)."""

    status, code = 410, "gone"


class TooLarge(OpenComputerError):  # noqa: N818
    status, code = 413, "too_large"


class TooMany(OpenComputerError):  # noqa: N818
    status, code = 429, "limit_reached"


class Failed(OpenComputerError):  # noqa: N818
    """A request that was right, on something that did not work (a command that cannot be started)."""

    status, code = 500, "failed"


class Unavailable(OpenComputerError):  # noqa: N818
    """Try again: the host is full, away or starting."""

    status, code = 503, "unavailable"


class NotSupported(OpenComputerError):  # noqa: N818
    """A feature that this runtime or host cannot offer; never a silent downgrade."""

    status, code = 501, "not_supported"


BY_CODE: dict[str, type[OpenComputerError]] = {
    kind.code: kind
    for kind in (
        OpenComputerError, BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, BelowUse, Conflict, Gone,
        TooLarge, TooMany, Failed, Unavailable, NotSupported,
    )
}  # fmt: skip
