"""The tree of a sandbox's checkpoints, their forks and what these came from, ready to be written as nested lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oc.model.sandbox import Status
from oc.store.checkpoints import Checkpoint
from oc.store.lineage import Family
from oc.store.sandboxes import Sandbox


@dataclass(frozen=True)
class Node:
    """A list item. `opens`: a list of children begins in it; `closes`: how many lists, with their items, end after it.

    Flat, for forks of forks may go deeper than a template can call itself.
    """

    row: Sandbox | Checkpoint
    depth: int
    opens: bool
    closes: int

    @property
    def is_checkpoint(self) -> bool:
        return isinstance(self.row, Checkpoint)


def nodes(family: Family, current: str) -> list[Node]:
    """Without sandboxes that have been stopped and left nothing behind, but for the current one."""
    children = _children(family, current)
    walk = list(_walk(children))
    depths = [depth for _, depth in walk[1:]] + [0]
    return [
        Node(row, depth, opens=bool(children.get(row.id)), closes=0 if children.get(row.id) else depth - following)
        for (row, depth), following in zip(walk, depths, strict=True)
    ]


def _children(family: Family, current: str) -> dict[str | None, list[Sandbox | Checkpoint]]:
    rows: list[Sandbox | Checkpoint] = [*family.sandboxes.values(), *family.checkpoints.values()]
    rows.sort(key=lambda row: row.created_at)
    known = family.sandboxes.keys() | family.checkpoints.keys()
    parents = {_parent(row) for row in rows}
    children: dict[str | None, list[Sandbox | Checkpoint]] = {}
    for row in rows:
        if row.status is not Status.STOPPED or row.id in parents or row.id == current:
            parent = _parent(row)
            children.setdefault(parent if parent in known else None, []).append(row)
    return children


def _parent(row: Sandbox | Checkpoint) -> str | None:
    return row.sandbox_id if isinstance(row, Checkpoint) else row.wish.from_checkpoint


def _walk(
    children: dict[str | None, list[Sandbox | Checkpoint]],
) -> Iterator[tuple[Sandbox | Checkpoint, int]]:
    waiting: list[tuple[Sandbox | Checkpoint, int]] = [(row, 0) for row in reversed(_of(children, None))]
    while waiting:
        row, depth = waiting.pop()
        yield row, depth
        waiting += [(child, depth + 1) for child in reversed(_of(children, row.id))]


def _of(children: dict[str | None, list[Sandbox | Checkpoint]], parent: str | None) -> Sequence[Sandbox | Checkpoint]:
    return children.get(parent, [])
