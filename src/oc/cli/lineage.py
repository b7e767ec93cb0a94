"""Which checkpoint was made of which sandbox, and which sandbox of which checkpoint, as a forest."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

BRANCH, LAST, PASSING, NOTHING = "├── ", "└── ", "│   ", "    "


class Node:
    """`about` is the API's object. A parent that is deleted, or another organization's, is only an id."""

    def __init__(self, kind: str, id: str, parent: str | None, about: Mapping[str, Any]) -> None:
        self.kind = kind
        self.id = id
        self.parent = parent
        self.about = about


def nodes(
    sandboxes: Sequence[Mapping[str, Any]], checkpoints: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[Node]:
    """The oldest first, from lists of which the newest is first. `checkpoints` are by their sandboxes' ids."""
    for sandbox in reversed(sandboxes):
        id = sandbox["sandboxID"]
        yield Node("sandbox", id, sandbox.get("fromCheckpointId"), sandbox)
        for checkpoint in reversed(checkpoints[id]):
            yield Node("checkpoint", checkpoint["id"], id, checkpoint)


class Forest:
    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes = {node.id: node for node in nodes}
        self._children: dict[str | None, list[Node]] = {}
        for node in self._nodes.values():
            self._children.setdefault(self.known_parent(node), []).append(node)

    def known_parent(self, node: Node) -> str | None:
        return node.parent if node.parent in self._nodes else None

    def living(self) -> Forest:
        """Without sandboxes that are stopped and have left nothing behind."""
        return Forest(
            node for node in self._nodes.values() if node.about.get("status") != "stopped" or node.id in self._children
        )

    def around(self, id: str) -> Forest:
        """That node, what it came from, and all that came from it."""
        kept = {*self._above(id), *(node.id for _, node in self._walk([self._nodes[id]]))}
        return Forest(node for node in self._nodes.values() if node.id in kept)

    def _above(self, id: str) -> set[str]:
        path: set[str] = set()
        at: str | None = id
        while at is not None and at not in path:
            path.add(at)
            at = self.known_parent(self._nodes[at])
        return path

    def lines(self) -> Iterator[tuple[str, Node]]:
        """Every node below its parent, with what is drawn before it."""
        return self._walk(self._children.get(None, []))

    def _walk(self, roots: Sequence[Node]) -> Iterator[tuple[str, Node]]:
        """Without recursion, for forks of forks may go deeper than Python's stack."""
        waiting = [("", "", node) for node in reversed(roots)]
        while waiting:
            before, below, node = waiting.pop()
            yield before, node
            children = self._children.get(node.id, [])
            for child in reversed(children):
                mark, further = (LAST, NOTHING) if child is children[-1] else (BRANCH, PASSING)
                waiting.append((below + mark, below + further, child))
