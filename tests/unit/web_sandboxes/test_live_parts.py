"""What of a page is sent again."""

from __future__ import annotations

from typing import Any

from oc.web.live import Part, message


def part(id: str, mark: Any, *inside: Part) -> Part:
    return Part(id, mark, lambda: f"<p id={id}>{mark}\n{[one.mark for one in inside]}</p>", inside)


def test_nothing_is_sent_twice() -> None:
    sent: dict[str, Any] = {}
    assert message([part("a", 1), part("b", None)], sent) == (
        b"data: <p id=a>1\ndata: []</p><p id=b>None\ndata: []</p>\n\n"
    )
    assert message([part("a", 1), part("b", None)], sent) == b""
    assert message([part("a", 2), part("b", None)], sent) == b"data: <p id=a>2\ndata: []</p>\n\n"


def test_an_inner_part_is_sent_alone_and_with_the_outer_one_only_once() -> None:
    sent: dict[str, Any] = {}
    message([part("table", "x", part("cell", 1))], sent)
    assert message([part("table", "x", part("cell", 2))], sent) == b"data: <p id=cell>2\ndata: []</p>\n\n"
    assert message([part("table", "x y", part("cell", 3))], sent) == b"data: <p id=table>x y\ndata: [3]</p>\n\n"
    assert message([part("table", "x y", part("cell", 3))], sent) == b""


def test_no_text_ends_a_line_of_the_stream() -> None:
    said = message([Part("a", 1, lambda: "one\rtwo\u2028data: three\n\nevent: end")], {})
    assert [line[:6] for line in said.decode().split("\n")] == ["data: "] * 5 + ["", ""]
