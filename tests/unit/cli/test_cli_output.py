"""What is printed: columns, ages, and nothing that commands a terminal."""

from __future__ import annotations

import pytest

from oc.cli import output


def test_columns_are_as_wide_as_their_widest_cell(capfd: pytest.CaptureFixture[str]) -> None:
    output.table(("ID", "STATUS", "AGE"), [("sb-1", "running", "5s"), ("sb-22222", "error", "1h0m0s")])
    assert capfd.readouterr().out == "ID        STATUS   AGE\nsb-1      running  5s\nsb-22222  error    1h0m0s\n"


def test_colours_do_not_move_columns(capfd: pytest.CaptureFixture[str]) -> None:
    output.table(("STATUS", "AGE"), [("running", "5s")], colour=True)
    assert capfd.readouterr().out == "STATUS   AGE\n\x1b[32mrunning\x1b[0m  5s\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0s"), (5.9, "5s"), (123, "2m3s"), (3600, "1h0m0s"), (3723, "1h2m3s")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_age_of_a_time_and_of_none() -> None:
    assert output.age("2026-01-02T03:04:05.5+00:00", 1767323105.6) == "1m0s"
    assert output.age("2026-01-02T03:04:05Z", 1767323046.0) == "1s"
    assert (output.age(None, 0), output.age("", 0), output.age("soon", 0)) == ("-", "-", "-")


def test_sizes_and_instants() -> None:
    assert [output.size(count) for count in (12_897_485, 1 << 30, 0, None, "much")] == ["12.3 MB", "1024.0 MB"] + [
        "-"
    ] * 3
    assert output.instant("2026-01-02T05:04:05.678901+02:00") == "2026-01-02T03:04:05Z"
    assert (output.instant(None), output.instant("soon")) == ("-", "-")


def test_control_sequences_are_shown_not_obeyed() -> None:
    assert output.printable("a\x1b[2Jb\n\x9b") == "a\\x1b[2Jb\\x0a\\x9b"
    assert output.printable("grün 日本") == "grün 日本"


def test_json_is_indented_and_readable(capfd: pytest.CaptureFixture[str]) -> None:
    output.as_json({"a": ["ü", "\ud800"]})
    assert capfd.readouterr().out == '{\n  "a": [\n    "ü",\n    "?"\n  ]\n}\n'
