"""A terminal that a program can look at: tmux, with a server of its own."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

PATIENCE_S = 90.0
PROMPT = "host> "
SHELL = ("env", "--default-signal", f"PS1={PROMPT}", "PROMPT_COMMAND=", "bash", "--norc", "--noprofile")


@dataclass(frozen=True)
class Tmux:
    socket: str
    environment: dict[str, str]

    def __call__(self, *argv: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-L", self.socket, "-f", "/dev/null", *argv],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=True,
        )
        return done.stdout.decode()

    def type(self, text: str) -> None:
        """Text as it is."""
        self("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """As tmux names them: Enter, C-c."""
        self("send-keys", *keys)

    def enter(self, text: str) -> None:
        self.type(text)
        self.press("Enter")

    def screen(self, *flags: str) -> str:
        """What is shown, without trailing blanks."""
        lines = self("capture-pane", "-p", "-J", *flags).rstrip().split("\n")
        return "\n".join(line.rstrip() for line in lines)

    def shows(self, *texts: str, flags: tuple[str, ...] = ()) -> str:
        """Waits until all of them are there, and returns the screen."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(text in (screen := self.screen(*flags)) for text in texts):
            assert time.monotonic() < deadline, f"waited in vain for {texts} on:\n{screen}"
            time.sleep(0.1)
        return screen

    def ends_with(self, text: str) -> None:
        """Waits until the last line is that: a prompt."""
        deadline = time.monotonic() + PATIENCE_S
        while (screen := self.screen()).rpartition("\n")[2] != text.rstrip():
            assert time.monotonic() < deadline, f"waited in vain for {text!r} at the end of:\n{screen}"
            time.sleep(0.1)

    def state(self, form: str) -> str:
        return self("display-message", "-p", form).strip()

    def resize(self, columns: int, rows: int) -> None:
        self("resize-window", "-x", str(columns), "-y", str(rows))


@contextlib.contextmanager
def tmux(environment: dict[str, str]) -> Iterator[Tmux]:
    """A window of 100 columns and 30 rows, with a shell of this host in it."""
    made = Tmux(f"oc-{uuid4().hex}", environment | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
    made("new-session", "-d", "-x", "100", "-y", "30", *SHELL)
    pid = int(made.state("#{pid}"))
    try:
        made.shows(PROMPT.strip())
        yield made
    finally:
        made("kill-server")
        _gone(pid)


def _gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"tmux {pid} does not end"
        time.sleep(0.05)


def programs(pane_pid: int, name: str) -> list[int]:
    """Pids of the children of a shell that run `name`."""
    found = []
    for child in Path(f"/proc/{pane_pid}/task/{pane_pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if name in [Path(word).name for word in Path(f"/proc/{child}/cmdline").read_text().split("\0")]:
                found.append(int(child))
    return found
