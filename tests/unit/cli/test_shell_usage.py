"""`oc shell` where there is no terminal to show it on."""

from __future__ import annotations

import os

import pytest

from oc.cli.errors import CliError
from oc.cli.main import run


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["shell"], "required: ID"),
        (["shell", "sb-1", "--json"], "not JSON"),
        (["shell", "sb-1", "--attach", "00000000", "--cwd", "/"], "--cwd is for a new one"),
        (["shell", "sb-1"], "standard input is none"),
    ],
)
def test_wrong_usage_is_named(argv: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda _: False)
    with pytest.raises(CliError) as error:
        run(argv, None)
    assert words in error.value.text
    assert error.value.exit_code == 1
