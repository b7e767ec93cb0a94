"""The data plane's routes (contract 2.2, 2.3, 2.5.1-2.5.3, 2.8, 3.1, 3.2). The server relays them as they are."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route, WebSocketRoute

from oc.worker.attach import Attaching
from oc.worker.exec_run import BufferedExec
from oc.worker.exec_sessions import Sessions
from oc.worker.files import Files
from oc.worker.first_readers import FirstReaders
from oc.worker.links import Links
from oc.worker.pty import Terminals
from oc.worker.pty_attach import PtyAttaching

SANDBOX = "/sandboxes/{id}"


def routes(links: Links) -> list[BaseRoute]:
    """To be served with `envelope.handlers`. Literal paths come before `exec/{session_id}` (contract 9.8)."""
    first_readers = FirstReaders()
    buffered, files = BufferedExec(links), Files(links)
    sessions, attaching = Sessions(links, first_readers), Attaching(links, first_readers)
    terminals, to_terminals = Terminals(links, first_readers), PtyAttaching(links, first_readers, attaching)

    def route(path: str, endpoint: object, method: str) -> Route:
        return Route(f"{SANDBOX}/{path}", endpoint, methods=[method])  # type: ignore[arg-type]

    return [
        route("exec/run", buffered.run, "POST"),
        route("exec/run-async", buffered.run_async, "POST"),
        route("exec/{exec_id}/result", buffered.result, "GET"),
        route("exec", sessions.create, "POST"),
        route("exec", sessions.list, "GET"),
        route("exec/{session_id}/kill", sessions.kill, "POST"),
        WebSocketRoute(f"{SANDBOX}/exec/{{session_id}}", attaching.attach),
        route("exec/{session_id}", sessions.no_upgrade, "GET"),
        route("pty", terminals.create, "POST"),
        route("pty", terminals.list, "GET"),
        route("pty/{session_id}/resize", terminals.resize, "POST"),
        route("pty/{session_id}", terminals.remove, "DELETE"),
        WebSocketRoute(f"{SANDBOX}/pty/{{session_id}}", to_terminals.attach),
        route("pty/{session_id}", terminals.no_upgrade, "GET"),
        route("files", files.read, "GET"),
        route("files", files.write, "PUT"),
        route("files", files.remove, "DELETE"),
        route("files/list", files.list, "GET"),
        route("files/mkdir", files.make_directory, "POST"),
    ]
