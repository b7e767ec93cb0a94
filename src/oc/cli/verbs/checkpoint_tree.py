"""`oc checkpoint tree`."""

from __future__ import annotations

from oc.cli import output
from oc.cli.api import path
from oc.cli.command import Argument, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from oc.cli.api import Api
    from oc.cli.context import Context
    from oc.cli.lineage import Forest, Node

NEEDS = ("sandboxID", "status")


def run(context: Context, arguments: Namespace) -> int:
    forest = _forest(context.api(), arguments.ID)
    lines = list(forest.lines())
    return context.show([_entry(node) for _, node in lines], lambda: _print(forest, lines, colour=context.colour))


def _forest(api: Api, only: str | None) -> Forest:
    from oc.cli.lineage import Forest, nodes

    sandboxes = api.array("GET", "/sandboxes?status=all", needs=NEEDS)
    if only is not None:
        asked = api.object("GET", path("sandboxes", only), needs=NEEDS)
        only = asked["sandboxID"]
        sandboxes += [asked] if all(sandbox["sandboxID"] != only for sandbox in sandboxes) else []
    checkpoints = {id: _checkpoints(api, id) for id in (sandbox["sandboxID"] for sandbox in sandboxes)}
    forest = Forest(nodes(sandboxes, checkpoints))
    return forest.living() if only is None else forest.around(only)


def _checkpoints(api: Api, sandbox: str) -> list[dict[str, Any]]:
    return api.array("GET", path("sandboxes", sandbox, "checkpoints"), needs=("id", "name", "status"))


def _entry(node: Node) -> dict[str, Any]:
    """Flat, each with its parent: a nested one would have any depth."""
    about = node.about
    entry = {"type": node.kind, "id": node.id, "parent": node.parent, "status": about["status"]}
    return entry if node.kind == "sandbox" else entry | {"name": about["name"], "sizeBytes": about.get("sizeBytes", 0)}


def _print(forest: Forest, lines: list[tuple[str, Node]], *, colour: bool) -> None:
    for before, node in lines:
        status = output.coloured(output.printable(node.about["status"]), wanted=colour)
        output.line(before + "  ".join((*_names(node), status, *_remarks(forest, node))))
    if not lines:
        output.line("No sandboxes found.")


def _names(node: Node) -> tuple[str, ...]:
    id = output.printable(node.id)
    return (id,) if node.kind == "sandbox" else (output.printable(node.about["name"]), id)


def _remarks(forest: Forest, node: Node) -> tuple[str, ...]:
    if node.kind == "checkpoint":
        return (output.size(node.about.get("sizeBytes")),)
    if node.parent and forest.known_parent(node) is None:
        return (f"(from checkpoint {output.printable(node.parent)}, which is not here)",)
    return ()


COMMAND = Command(
    run,
    Argument("ID", nargs="?", help="only this sandbox: what it came from, and all that came from it"),
    usage="[ID] [flags]",
    notes=(
        "Below a sandbox stand its checkpoints, below a checkpoint the sandboxes that were spawned from it, the\n"
        "oldest first. Sandboxes that were killed are shown while something of them is left."
    ),
    examples=("oc checkpoint tree", "oc checkpoint tree sb-1a2b3c4d", "oc checkpoint tree --json"),
)
