"""The address that the API is to listen on, before anybody tries."""

from __future__ import annotations

import errno
import re
import shutil
import socket
import subprocess

from oc.model.errors import BadRequest, Conflict

LOOK_S = 10


def address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def url(listen: str) -> str:
    """How somebody on this host reaches it: a server on all addresses is also on the loopback's."""
    host, port = address(listen)
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port}"


def check_free(listen: str) -> None:
    """Raises Conflict that names who has it, and BadRequest when this host has no such address."""
    host, port = address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    hint = "choose another with the setting listen, such as --listen 127.0.0.1:8081"
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Conflict(f"port {port} of {host} is taken{_by(port)}", hint=f"stop that, or {hint}") from error
        raise BadRequest(f"cannot listen on {listen}: {error.strerror or error}", hint=hint) from error


def _by(port: int) -> str:
    """The listener's name and process as ss(8) tells them, or nothing."""
    if not shutil.which("ss"):
        return ""
    argv = ["ss", "-Hltnp", f"sport = :{port}"]
    listed = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LOOK_S).stdout
    found = re.search(r'\(\("([^"]+)",pid=(\d+)', listed)
    return f" by {found[1]} (process {found[2]})" if found else ""
