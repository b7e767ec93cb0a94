"""The forest of sandboxes and checkpoints: whole, in order, and without what is of no interest."""

from __future__ import annotations

from oc.cli.lineage import Forest, Node, nodes

SANDBOXES = [
    {"sandboxID": "orphan", "status": "running", "fromCheckpointId": "deleted"},
    {"sandboxID": "ended", "status": "stopped", "fromCheckpointId": "b1"},
    {"sandboxID": "c", "status": "running", "fromCheckpointId": "b1"},
    {"sandboxID": "b", "status": "hibernated", "fromCheckpointId": "a1"},
    {"sandboxID": "a", "status": "stopped"},
]
CHECKPOINTS = {"a": [{"id": "a2"}, {"id": "a1"}], "b": [{"id": "b1"}], "c": [], "ended": [], "orphan": []}


def drawn(forest: Forest) -> list[str]:
    return [before + node.id for before, node in forest.lines()]


def test_each_is_drawn_below_what_it_came_from_the_oldest_first() -> None:
    assert drawn(Forest(nodes(SANDBOXES, CHECKPOINTS))) == [
        "a",
        "├── a1",
        "│   └── b",
        "│       └── b1",
        "│           ├── c",
        "│           └── ended",
        "└── a2",
        "orphan",
    ]


def test_stopped_sandboxes_are_left_out_unless_something_came_from_them() -> None:
    living = drawn(Forest(nodes(SANDBOXES, CHECKPOINTS)).living())
    assert "a" in living
    assert "│           └── c" in living
    assert [line for line in living if "ended" in line] == []


def test_around_a_node_is_what_is_above_and_below_it() -> None:
    forest = Forest(nodes(SANDBOXES, CHECKPOINTS))
    assert drawn(forest.around("b"))[:4] == ["a", "└── a1", "    └── b", "        └── b1"]
    assert drawn(forest.around("ended"))[-1] == "            └── ended"
    assert drawn(forest.around("orphan")) == ["orphan"]


def test_generations_without_end_do_not_matter() -> None:
    chain = [Node("sandbox", str(number), str(number - 1), {"status": "running"}) for number in range(5000)]
    forest = Forest(chain)
    assert len(drawn(forest.around("2500"))) == 5000
    circle = Forest([Node("sandbox", "x", "y", {}), Node("sandbox", "y", "x", {})])
    assert drawn(circle) == []
