"""Host names of previews: those that follow from sandbox and port, and those that people bring (contract 2.9)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from oc.model.errors import BadRequest
from oc.model.ids import SANDBOX
from oc.server.peer import is_address
from oc.settings import Settings

LONGEST = 253  # RFC 1035, 2.3.4, in text form
LAST_PORT = 65535
_NAME = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL = re.compile(rf"({SANDBOX.pattern})-p([1-9][0-9]{{0,4}})")
_PORT = re.compile(r":[0-9]*\Z")
DEFAULT_PORTS = {"http": 80, "https": 443}


def normal(host: str) -> str:
    """Of a Host header: lower case, without its port and without the dot of the root."""
    return _PORT.sub("", host.lower()).removesuffix(".")


def place(name: str) -> tuple[str, int] | None:
    """Sandbox and port that a name tells by itself, whatever its parent domain."""
    label, _, parent = name.partition(".")
    match = _LABEL.fullmatch(label) if parent and is_host_name(name) else None
    return (match[1], int(match[2])) if match and int(match[2]) <= LAST_PORT else None


def is_host_name(name: str) -> bool:
    """Labels of letters, digits and hyphens, at least two; no address (whose last label is a number: RFC 3696, 2)."""
    return len(name) <= LONGEST and _NAME.fullmatch(name) is not None and not name.rpartition(".")[2].isdecimal()


class Names:
    def __init__(self, settings: Settings) -> None:
        public = urlsplit(settings.public_url or f"http://{settings.listen}")
        self._scheme = public.scheme
        self._port = public.port or DEFAULT_PORTS[public.scheme]
        self._domain = settings.domain
        listen_host = urlsplit(f"//{settings.listen}").hostname
        self.public = urlsplit(settings.public_url).hostname
        self._own = frozenset({"localhost", settings.domain, listen_host or "", self.public or ""} - {""})

    def hostname(self, sandbox: str, port: int) -> str:
        return f"{sandbox}-p{port}.{self._domain}"

    def url(self, hostname: str) -> str:
        """Where people reach this server under another name."""
        port = "" if self._port == DEFAULT_PORTS[self._scheme] else f":{self._port}"
        return f"{self._scheme}://{hostname}{port}"

    def may_be_custom(self, name: str) -> bool:
        """False: no preview can have brought this name."""
        return name not in self._own and not name.endswith(f".{self._domain}") and is_host_name(name)

    def custom(self, domain: str) -> str:
        """A name that somebody brings, in lower case.

        Raises BadRequest. Names above and below our own are refused: a page there could set cookies for ours.
        """
        name = domain.lower().removesuffix(".")
        if not is_host_name(name):
            raise BadRequest(f"domain {domain[:64]!r} is not a host name: {_what_is_wrong(name)}")
        for own in self._own:
            if name == own or name.endswith(f".{own}") or own.endswith(f".{name}"):
                raise BadRequest(
                    f"domain {name} is, or is above or below, this server's own {own}", hint="choose another domain"
                )
        return name


def _what_is_wrong(name: str) -> str:
    if not name.isascii():
        return "write it in its ASCII form, which begins with xn--"
    if ":" in name or "/" in name:
        return "leave scheme, port and path away"
    if is_address(name):
        return "it is an address"
    return f"labels of letters, digits and hyphens, at least two, at most {LONGEST} characters"
