"""The agent's C tables say the same as the messages' annotations: same numbers, same fields, same bounds."""

from __future__ import annotations

import re
from pathlib import Path

import oc.wire.messages as protocol
from oc.wire.codec import BY_KIND, LAYOUT
from oc.wire.kinds import CHUNK, Kind, Octets, String, Strings, Unsigned
from oc.wire.messages import Message

AGENT = Path(__file__).resolve().parents[3] / "agent"
FROM_AGENT_ALONE = 64  # kinds from this number on are never received by the agent

LETTERS: dict[Kind, str] = {
    Unsigned(1, high=1): "f",
    Unsigned(1): "1",
    Unsigned(2): "2",
    Unsigned(4): "4",
    Unsigned(8): "8",
    Octets(): "d",
    Octets(CHUNK): "c",
    String(): "t",
    Strings(): "l",
}


def c_name(message: type[Message]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", message.__name__).upper()


def c_kinds() -> dict[str, int]:
    """Names and numbers of `enum kind`."""
    body = re.search(r"enum kind \{(.*?)\}", (AGENT / "protocol.h").read_text(), re.DOTALL)
    assert body is not None
    numbers: dict[str, int] = {}
    last = -1
    for name, number in re.findall(r"([A-Z_]+)(?: = (\d+))?,", body[1]):
        last = int(number) if number else last + 1
        numbers[name] = last
    return numbers


def test_numbers_agree() -> None:
    assert c_kinds() == {c_name(message): message.KIND for message in BY_KIND.values()}


def test_fields_agree() -> None:
    layouts = dict(re.findall(r"\[([A-Z_]+)\] = \"(\w*)\"", (AGENT / "protocol.c").read_text()))
    ours = {
        c_name(message): "".join(LETTERS[kind] for _, kind in layout)
        for message, layout in LAYOUT.items()
        if message.KIND < FROM_AGENT_ALONE
    }
    assert layouts == ours


def test_bounds_agree() -> None:
    header = (AGENT / "protocol.h").read_text()
    names = ("VERSION", "OLDEST", "MAX_FRAME", "CHUNK", "WINDOW", "TOKEN_BYTES", "RING", "MAX_SESSIONS", "MAX_TEXT")
    for name in names:
        value = re.search(rf"\b{name} = (\d+)(?: << (\d+))?,", header)
        assert value is not None, name
        assert int(value[1]) << int(value[2] or 0) == getattr(protocol, name), name
    for name, file in (("READER_GRACE", "reader.c"), ("FINISHED_GRACE", "session.c")):
        assert f"#define {name}_MS {getattr(protocol, name + '_S')}000\n" in (AGENT / file).read_text()
