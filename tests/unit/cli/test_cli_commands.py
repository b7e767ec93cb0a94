"""The table of commands, and how words find their command."""

from __future__ import annotations

import pytest

from oc.cli.commands import ROOT, Verb, walk
from oc.cli.errors import CliError
from oc.cli.main import outcome, run

COMMANDS = list(walk(ROOT))


@pytest.mark.parametrize(("path", "verb"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_command_has_help_with_an_example(
    path: tuple[str, ...], verb: Verb, capfd: pytest.CaptureFixture[str]
) -> None:
    assert outcome([*path, "--help"]) == 0
    shown = capfd.readouterr().out
    name = " ".join(("oc", *path))
    assert shown.startswith(f"Usage: {name} ")
    assert f"{verb.summary}." in shown
    example = shown[shown.index("Examples:") :]
    assert any(word in example for word in (name, "oc create", "oc ls"))
    assert outcome(["help", *path]) == 0
    assert capfd.readouterr().out == shown


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"], ["sandbox"], ["config", "--help"]])
def test_groups_show_their_commands(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert outcome(argv) == 0
    shown = capfd.readouterr().out
    assert "Usage: oc" in shown
    assert "Commands:" in shown
    assert "Examples:" in shown


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nonsense"], "unknown command 'nonsense'"),
        (["sandbox", "bogus"], "unknown command 'bogus' for oc sandbox"),
        (["--bogus", "ls"], "unknown flag --bogus"),
        (["ls", "--bogus"], "--bogus"),
        (["ls", "surplus"], "surplus"),
        (["sandbox", "get"], "required: ID"),
        (["sandbox", "get", ""], "empty ID"),
        (["sandbox", "set-timeout", "sb-1", "-5"], "SECONDS"),
        (["sandbox", "scale", "sb-1"], "required: MEMORY_MB"),
        (["sandbox", "scale", "sb-1", "0"], "MEMORY_MB"),
        (["sandbox", "scale", "sb-1", "1g"], "'1g' is not a whole number"),
        (["sandbox", "autoscale", "sb-1", "--on", "--off"], "exclude"),
        (["sandbox", "autoscale", "sb-1", "--on", "--min", "512"], "--max"),
        (["sandbox", "autoscale", "sb-1", "--off", "--min", "512"], "--on"),
        (["sandbox", "set-timeout", "sb-1", "soon"], "'soon' is not a whole number"),
        (["create", "--memory", "lots"], "--memory"),
        (["create", "--env", "novalue"], "'novalue'"),
        (["create", "--preview-auth-token", "short"], "16 characters"),
        (["create", "--time", "5"], "--time"),
        (["exec", "sb-1"], "no command"),
        (["exec", "sb-1", "--"], "no command"),
        (["exec", "sb-1", "--wait", "--detach", "--", "true"], "--detach"),
        (["exec", "sb-1", "--timeout", "-5", "--", "true"], "--timeout"),
        (["exec", "sb-1", "--env", "novalue", "--", "true"], "'novalue'"),
        (["exec", "sb-1", "ls", "-la"], "-la"),
        (["sandbox", "wake", "sb-1", "--timeout", "-5"], "--timeout"),
        (["checkpoint", "create", "sb-1"], "--name"),
        (["cp", "create", "sb-1", "--name", "n", "--kind", "half"], "'half'"),
        (["checkpoint", "create", "sb-1", "--name", "n", "--retention-policy", "keep"], "'keep'"),
        (["checkpoint", "create", "sb-1", "--name", "n", "--retention-max-count", "3"], "delete_oldest"),
        (["checkpoint", "spawn", "cp-1", "--count", "0"], "from 1 up"),
        (["checkpoint", "restore", "sb-1"], "required: CHECKPOINT"),
        (["cp", "bogus"], "unknown command 'bogus' for oc cp"),
        (["patch", "create", "cp-1"], "--script"),
        (["patch", "delete", "cp-1"], "required: PATCH"),
        (["preview", "create", "sb-1"], "--port"),
        (["preview", "create", "sb-1", "--port", "http"], "'http' is not a whole number"),
        (["preview", "delete", "sb-1"], "required: PORT"),
        (["config", "set", "color", "red"], "api-key, api-url"),
        (["config", "set", "api-key"], "required: VALUE"),
        (["config", "set", "api-url", "ftp://x"], "http://HOST:PORT"),
        (["secret-store", "create"], "--name"),
        (["secret-store", "get"], "required: STORE"),
        (["secret", "set", "s"], "required: NAME"),
        (["sandbox", "egress", "sb-1", "--deny-all", "--allow-host", "a"], "exclude each other"),
        (["create", "--deny-all", "--allow-host", "a"], "exclude each other"),
        (["sandbox", "egress", "sb-1", "--clear", "--deny-all"], "--clear goes with no other flag"),
        (["audit", "--since", "yesterday"], "'yesterday' is neither a time"),
        (["audit", "--limit", "0"], "from 1 up"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_wrong_usage_is_named(argv: list[str], words: str) -> None:
    before, behind = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, None)
    with pytest.raises(CliError) as error:
        run(before, behind)
    assert words in error.value.text
    assert error.value.exit_code == 1


def test_a_near_miss_is_answered_with_what_was_meant() -> None:
    with pytest.raises(CliError) as error:
        run(["sandbox", "kil"], None)
    assert error.value.hint == "did you mean `oc sandbox kill`?"


@pytest.mark.parametrize("argv", [["--version"], ["-v"], ["version"], ["--no-color", "version"]])
def test_version(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert outcome(argv) == 0
    assert capfd.readouterr().out.startswith("oc version ")
