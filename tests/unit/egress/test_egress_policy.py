"""Files of the worker: read again when replaced, and worth nothing when damaged."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from oc.egress import decoding, limits, log
from oc.egress.events import Events
from oc.egress.pins import Pins
from oc.egress.policy import Policies
from oc.egress.refusal import Reason, RefusedError
from oc.egress.route import Dialled
from tests.unit.egress import samples

SOURCE = "10.201.0.5"


def write(directory: Path, name: str, text: str) -> None:
    """By rename, as the worker does."""
    temporary = directory / ".new"
    temporary.write_text(text)
    temporary.rename(directory / name)


def test_a_policy_is_the_one_of_now(tmp_path: Path) -> None:
    policies = Policies(tmp_path)
    assert policies.of(SOURCE) is None
    write(tmp_path, f"{SOURCE}.json", json.dumps(samples.policy(allowHosts=["a.example"])))
    first = policies.of(SOURCE)
    assert first is not None
    assert first.names("a.example")
    assert policies.of(SOURCE) is first
    write(tmp_path, f"{SOURCE}.json", json.dumps(samples.policy(allowHosts=["b.example"])))
    second = policies.of(SOURCE)
    assert second is not None
    assert not second.names("a.example")
    (tmp_path / f"{SOURCE}.json").unlink()
    assert policies.of(SOURCE) is None


def test_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    policies = Policies(tmp_path)
    write(tmp_path, f"{SOURCE}.json", json.dumps(samples.policy(secrets=[samples.secret()])))
    assert policies.of(SOURCE)
    policies.files.forget()
    assert policies.files.seen
    (tmp_path / f"{SOURCE}.json").unlink()
    policies.files.forget()
    assert not policies.files.seen


@pytest.mark.parametrize(
    "damage",
    [
        {"secrets": [samples.secret(value="")]},
        {"secrets": [samples.secret(value="\ud800")]},
        {"secrets": [samples.secret(placeholder="short")]},
        {"allowCidrs": ["10.0.0.0/99"]},
        {"allowHosts": [7]},
        {"sandbox": None},
    ],
)
def test_a_damaged_policy_permits_nothing_and_is_not_quoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: dict[str, object]
) -> None:
    write(tmp_path, f"{SOURCE}.json", json.dumps(samples.policy(**damage)))
    assert Policies(tmp_path).of(SOURCE) is None
    said = capsys.readouterr().err
    assert "file cannot be used" in said
    assert samples.VALUE not in said


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"sandbox": "sb-1"}', "[" * 100_000])
def test_what_is_no_policy_permits_nothing(tmp_path: Path, text: str) -> None:
    write(tmp_path, f"{SOURCE}.json", text)
    assert Policies(tmp_path).of(SOURCE) is None


def test_pins_are_names_of_addresses(tmp_path: Path) -> None:
    write(tmp_path, f"{SOURCE}.pins.json", json.dumps({"93.184.216.34": ["Example.com."]}))
    address = Dialled(samples.address("93.184.216.34"), 443).address
    assert address is not None
    assert Pins(tmp_path).names(SOURCE, address) == ["example.com"]
    assert Pins(tmp_path).names("10.201.0.6", address) == []


def test_refusals_without_a_listener_are_lost_in_silence(tmp_path: Path) -> None:
    with closing(Events(tmp_path / "nobody.sock")) as events:
        events.refused(SOURCE, "sb-1", 443, RefusedError(Reason.HOST, "a.example"))


def test_a_flood_of_refusals_is_cut(tmp_path: Path) -> None:
    second = int(time.time())
    with closing(Events(tmp_path / "nobody.sock")) as events:
        assert sum(events.may_send(SOURCE, second) for _ in range(1000)) == limits.EVENTS_PER_SECOND
        assert events.may_send("10.201.0.6", second)
        assert events.may_send(SOURCE, second + 1)


@pytest.mark.parametrize("name", ["gzip", "deflate", "x-gzip"])
def test_a_bomb_is_not_inflated(name: str) -> None:
    decode = decoding.decoder(name)
    assert decode
    with pytest.raises(ValueError, match="expands too much"):
        decode(samples.compressed(name, b"\0" * 50_000_000))


@pytest.mark.parametrize("name", ["gzip", "deflate", "raw deflate", "two members"])
def test_compressed_answers_come_out_whatever_the_pieces(name: str) -> None:
    data = b"line\n" * 10_000
    decode = decoding.decoder("gzip" if name == "two members" else name.removeprefix("raw "))
    assert decode
    packed = samples.compressed(name, data)
    assert b"".join(decode(packed[start : start + 7]) for start in range(0, len(packed), 7)) + decode(b"") == data


def test_places_of_faults_are_told_without_their_texts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=samples.VALUE) as raised:
        int(samples.VALUE)
    log.write("error", "x", at=log.place(raised.value.__traceback__))
    said = capsys.readouterr().err
    assert "test_egress_policy.py" in said
    assert samples.VALUE not in said
