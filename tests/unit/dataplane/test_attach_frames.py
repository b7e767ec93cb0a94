"""The WebSocket's messages, without a WebSocket."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from oc.model.errors import BadRequest
from oc.wire.messages import Channel, Output
from oc.worker.attach import Place, Replay, place_of


def replayed(end: int, outputs: list[tuple[int, bytes]], begin: int = 0) -> list[bytes]:
    replay = Replay(end)
    messages = list(replay.reach(begin))
    for offset, data in outputs:
        messages += replay.messages(Output(Channel.STDOUT, offset, data))
    return [*messages, *replay.finish()]


@pytest.mark.parametrize(
    ("end", "begin", "outputs", "messages"),
    [
        pytest.param(0, 0, [], [b"\x04"], id="nothing was written"),
        pytest.param(0, 0, [(0, b"new")], [b"\x04", b"\x01new"], id="only new output"),
        pytest.param(3, 0, [(0, b"old")], [b"\x01old", b"\x04"], id="only history"),
        pytest.param(3, 0, [(0, b"oldnew")], [b"\x01old", b"\x04", b"\x01new"], id="one chunk holds both"),
        pytest.param(3, 3, [(3, b"new")], [b"\x04", b"\x01new"], id="history was had before"),
        pytest.param(9, 0, [(0, b"old")], [b"\x01old", b"\x04"], id="history ends early"),
        pytest.param(3, 0, [(7, b"new")], [b"\x04", b"\x01new"], id="history is gone"),
    ],
)
def test_history_ends_with_exactly_one_mark(
    end: int, begin: int, outputs: list[tuple[int, bytes]], messages: list[bytes]
) -> None:
    assert replayed(end, outputs, begin) == messages


def test_a_place_is_taken_from_the_query() -> None:
    assert place_of(QueryParams("reader=00ff&offset=12")) == Place(extended=True, reader="00ff", offset=12)
    assert place_of(QueryParams("")) == Place(extended=True)


@pytest.mark.parametrize(
    "query", ["reader=XY", "reader=" + "a" * 33, "offset=-1", "offset=x", "offset=9999999999999999999"]
)
def test_a_bad_place_is_refused(query: str) -> None:
    with pytest.raises(BadRequest):
        place_of(QueryParams(query))
