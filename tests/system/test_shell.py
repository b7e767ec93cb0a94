"""`oc shell` as a person uses it: typed into a real terminal, looked at on its screen."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.system.stack import OC, Stack, wait_for
from tests.system.tmux import PATIENCE_S, PROMPT, Tmux, programs, tmux


@pytest.fixture(scope="module")
def box(fragile: Stack) -> Iterator[str]:
    id = fragile.create()
    yield id
    fragile.kill(id)


@pytest.fixture
def terminal(fragile: Stack) -> Iterator[Tmux]:
    with tmux(fragile.user_environment()) as made:
        yield made


@pytest.fixture
def shell(terminal: Tmux, box: str) -> Tmux:
    """In a sandbox, at its first prompt."""
    return enter(terminal, box)


def enter(terminal: Tmux, box: str, *flags: str) -> Tmux:
    terminal.enter(f"clear; {OC} shell {shlex.join((box, *flags))}; echo code=$?")
    terminal.ends_with(f"root@{box}:~#")
    return terminal


def running(stack: Stack, box: str) -> list[str]:
    return [row["sessionID"] for row in stack.oc("shell", box, "--list", "--json").json()]


def left(stack: Stack, box: str) -> None:
    wait_for(lambda: running(stack, box) == [], "the shell to be gone")


def settings(terminal: Tmux) -> str:
    terminal.enter("clear; stty -a | grep -v speed; echo do''ne")
    return terminal.shows("done").partition("done")[0]


def test_it_shows_what_a_shell_shows_and_exits_as_it_does(fragile: Stack, terminal: Tmux, box: str) -> None:
    before = settings(terminal)
    enter(terminal, box)
    terminal.shows("oc: Ctrl-] then d leaves the shell running")
    terminal.enter("clear; stty size; echo $TERM; echo 'grüße → 日本'")
    terminal.shows("30 100\nxterm-256color\ngrüße → 日本\n")
    terminal.enter(r"clear; printf '\033[31mr\303\266t\033[0m\n'")
    terminal.shows("röt\n")
    assert "\x1b[31mröt" in terminal.screen("-e")
    terminal.enter("exit 7")
    terminal.shows("code=7")
    assert settings(terminal) == before
    left(fragile, box)


def test_programs_notice_that_the_window_is_resized(shell: Tmux, box: str) -> None:
    shell.enter("top -d 100")
    shell.shows("load average", "PID USER", "COMMAND")
    shell.resize(60, 12)
    wait_for(lambda: "%MEM" in (screen := shell.screen()) and "COMMAND" not in screen, "top to fit")
    shell.press("q")
    shell.ends_with(f"root@{box}:~#")
    shell.enter("clear; stty size")
    shell.shows("12 60")
    shell.enter('clear; sh -c \'trap "echo now; stty size" WINCH; echo rea""dy; while :; do sleep 0.1; done\'')
    shell.shows("ready")
    shell.resize(132, 40)
    shell.shows("now\n40 132")
    shell.press("C-c")
    shell.ends_with(f"root@{box}:~#")
    shell.enter("clear; stty size; echo $COLUMNS")
    shell.shows("40 132\n132\n")


def test_keys_are_the_shells(fragile: Stack, shell: Tmux, box: str) -> None:
    shell.enter("sh -c 'echo fir\"\"st; exec sleep 1000'")
    shell.shows("first")
    shell.press("C-c")
    shell.enter("echo code=$?")
    shell.shows("code=130")
    shell.enter("sh -c 'echo sec\"\"ond; exec sleep 2000'")
    shell.shows("second")
    shell.press("C-z")
    shell.shows("Stopped")
    shell.enter("jobs -r | wc -l; fg")
    shell.shows("\n0\nsh -c")
    shell.press("C-c")
    shell.ends_with(f"root@{box}:~#")
    shell.enter("cat; (exit 5)")
    shell.enter("a line")
    shell.shows("a line\na line")
    shell.press("C-d")
    shell.ends_with(f"root@{box}:~#")
    shell.press("C-d")
    shell.shows("code=5")
    left(fragile, box)


def test_an_editor_and_a_pager(fragile: Stack, shell: Tmux, box: str) -> None:
    shell.enter("clear; vi /tmp/text")
    shell.shows("~\n~", "/tmp/text")
    shell.type("ihéllo wörld")
    shell.shows("héllo wörld\n~")
    shell.press("Escape", "Enter")
    shell.enter(":wq")
    shell.ends_with(f"root@{box}:~#")
    assert shell.state("#{alternate_on}") == "0"
    assert fragile.sh(box, "cat /tmp/text").out == "héllo wörld\n"
    shell.enter("clear; seq 1 500 | less")
    shell.shows("\n2\n3\n", "\n:")
    shell.press("G")
    shell.shows("\n499\n500\n", "(END)")
    shell.enter("?^77$")
    assert shell.shows("\n78\n").startswith("77\n")
    shell.press("q")
    shell.ends_with(f"root@{box}:~#")


def test_one_can_leave_a_shell_and_come_back_to_its_screen(
    fragile: Stack, terminal: Tmux, shell: Tmux, box: str
) -> None:
    shell.enter("MINE=kept; vi /tmp/again")
    shell.shows("~\n~", "/tmp/again")
    shell.type("isome words")
    shell.shows("some words")
    shell.press("C-]", "d")
    left_with = shell.shows("the shell runs on", "code=0")
    assert terminal.state("#{alternate_on}#{keypad_flag}#{keypad_cursor_flag}#{cursor_flag}") == "0001"
    (session,) = running(fragile, box)
    assert f"oc shell {box} --attach {session}" in left_with
    terminal.enter(f"clear; {OC} shell {box} --attach {session}; echo code=$?")
    terminal.shows("some words\n~\n~")
    terminal.press("Escape", "Enter")
    terminal.enter(":q!")
    terminal.ends_with(f"root@{box}:~#")
    terminal.enter("clear; echo $MINE")
    terminal.shows("kept\n")
    terminal.enter("exit 4")
    terminal.shows("code=4")
    left(fragile, box)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back_and_ends_the_shell(
    fragile: Stack, terminal: Tmux, box: str, number: signal.Signals
) -> None:
    before = settings(terminal)
    enter(terminal, box)
    terminal.enter("clear; vi")
    terminal.shows("~\n~")
    (oc,) = programs(int(terminal.state("#{pane_pid}")), "oc")
    os.kill(oc, number)
    terminal.shows(f"code={128 + number}")
    assert terminal.state("#{alternate_on}#{cursor_flag}") == "01"
    assert settings(terminal) == before
    left(fragile, box)


def test_a_closed_window_ends_the_shell(fragile: Stack, shell: Tmux, box: str) -> None:
    assert running(fragile, box) != []
    shell("split-window", "cat")
    shell("kill-pane", "-t", "0")
    left(fragile, box)


def test_it_goes_on_where_it_was_when_the_server_was_away(fragile: Stack, shell: Tmux, box: str) -> None:
    shell.enter("clear; MINE=kept; i=0; while [ ! -e /tmp/enough ]; do i=$((i+1)); echo $i; sleep 0.3; done")
    shell.shows("\n3\n")
    for part in ("server", "worker"):
        shell("clear-history")
        fragile.crash(part)
        shown = shell.shows("lost the connection", "connected again", flags=("-S", "-"))
        assert re.search(r"^oc: lost the connection to http://127", shown, re.MULTILINE), shown
    fragile.sh(box, "touch /tmp/enough")
    shell.ends_with(f"root@{box}:~#")
    counted = [int(line) for line in shell.screen("-S", "-").split("\n") if line.isdecimal()]
    assert counted == list(range(counted[0], counted[-1] + 1)), "none twice, none missing"
    shell.enter("clear; echo $MINE; rm /tmp/enough")
    shell.shows("kept\n")
    shell.enter("exit")
    shell.shows("code=0")


def test_a_hibernated_sandbox_is_woken_by_a_key(fragile: Stack, shell: Tmux, box: str) -> None:
    shell.enter("MINE=kept; echo s''et")
    shell.shows("\nset\n")
    assert fragile.oc("sandbox", "hibernate", box).code == 0
    shell.shows(f"oc: {box} is hibernated; press a key to wake it")
    assert fragile.oc("sandbox", "get", box, "--json").json()["status"] == "hibernated"
    shell.enter("echo $MINE")
    shell.shows("connected again", "\nkept\n")
    shell.enter("exit")
    shell.shows("code=0")


def test_the_terminal_is_given_back_when_the_sandbox_is_killed(fragile: Stack, terminal: Tmux) -> None:
    before, box = settings(terminal), fragile.create()
    enter(terminal, box)
    fragile.kill(box)
    terminal.shows("Error: ", f"sandbox {box}", "code=3")
    assert settings(terminal) == before


def test_the_terminal_is_given_back_when_the_server_is_gone_for_good(
    fragile: Stack, terminal: Tmux, box: str, tmp_path: Path
) -> None:
    impatient = tmp_path / "oc"
    impatient.write_text(
        "from oc.cli import patience\n"
        "patience.Patience.__init__.__defaults__ = (3.0,)\n"
        "from oc.cli.main import main\n"
        "main()\n"
    )
    before = settings(terminal)
    terminal.enter(f"clear; {OC.rpartition('/')[0]}/python {impatient} shell {box}; echo code=$?")
    terminal.ends_with(f"root@{box}:~#")
    fragile.stop()
    try:
        terminal.shows("lost the connection", "Hint: the shell may still run; back with: oc shell", "code=1")
        assert settings(terminal) == before
    finally:
        fragile.serve()
    (session,) = running(fragile, box)
    terminal.enter(f"clear; {OC} shell {box} --attach {session}; echo code=$?")
    terminal.ends_with(f"root@{box}:~#")
    terminal.enter("exit 6")
    terminal.shows("code=6")


def test_published_clients_dial_the_root_path(fragile: Stack, box: str) -> None:
    """Contract 3.2: the Python client leaves the prefix out, and sends its key twice."""
    with fragile.api() as api:
        session = api.post(f"/sandboxes/{box}/pty", json={"cols": 90, "rows": 25}).json()["sessionID"]
        address = f"{fragile.url.replace('http', 'ws')}/sandboxes/{box}/pty/{session}?api_key={fragile.key}"
        with connect(address, additional_headers={"X-API-Key": fragile.key}, open_timeout=PATIENCE_S) as client:
            client.send("stty size; exit\n")
            seen = b"".join(message for message in client if isinstance(message, bytes))
            assert b"25 90\r\n" in seen
            assert client.close_code == 1000
        assert api.delete(f"/sandboxes/{box}/pty/{session}").status_code == 204


def test_a_shell_that_is_not_there_is_named(terminal: Tmux, box: str) -> None:
    terminal.enter(f"clear; {OC} shell {box} --shell /bin/zsh; echo code=$?")
    terminal.shows("Error: cannot run /bin/zsh: No such file or directory", "code=3")
    terminal.ends_with(PROMPT)
