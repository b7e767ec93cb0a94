"""`oc-host` itself: verbs, flags that come from the table of settings, and errors."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import fields

import pytest

from oc.serve import main, port, service
from oc.settings import Settings, load


def test_every_setting_has_a_flag_with_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["serve", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for field in fields(Settings):
        assert f"--{field.name.replace('_', '-')}" in text
        assert " ".join(field.metadata["doc"].split()) in text


def test_flag_that_is_not_given_decides_nothing() -> None:
    parser = ArgumentParser()
    main.add_settings(parser)
    assert main.given(parser.parse_args(["--max-sandboxes", "3"])) == {"max_sandboxes": "3"}


def test_unknown_verb_is_named_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["start"]) == 1
    said = capsys.readouterr().err
    assert "unknown verb start" in said
    assert all(verb in said for verb in main.VERBS)


def test_bad_setting_is_said_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor", "--listen", "nonsense"]) == 1
    assert capsys.readouterr().err == (
        "Error: setting listen from --listen is 'nonsense': must be HOST:PORT\n  HOST:PORT of the API.\n"
    )


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:8080", "http://[::1]:8080"),
        ("[fd00::1]:8080", "http://[fd00::1]:8080"),
        ("box.lan:1", "http://box.lan:1"),
    ],
)
def test_url_is_one_that_this_host_can_reach(listen: str, url: str) -> None:
    assert port.url(listen) == url


def test_unit_says_settings_so_that_systemd_takes_them_as_they_are() -> None:
    settings = load({"region": 'a "b" 100% $HOME'}, {"OC_CONFIG": "/dev/null"})
    assert r'Environment="OC_REGION=a \"b\" 100%% $HOME"' in service.unit(settings)
