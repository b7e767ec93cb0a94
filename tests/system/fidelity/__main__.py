"""`python3 -m fidelity hold` runs until it is killed; `python3 -m fidelity ask` prints what that one says of itself."""

from __future__ import annotations

import argparse
import signal
import urllib.request
from pathlib import Path

from .channels import channels
from .files import Locked, Reading, Unlinked, Writing
from .memory import Memory
from .passing_time import Counter, Thread, Timer
from .probe import PATIENCE_S, Probe
from .server import Examiner, serve
from .terminal import Terminal

PORT = 8000


def main() -> None:
    parser = argparse.ArgumentParser(prog="fidelity")
    verbs = parser.add_subparsers(required=True)
    hold_verb = verbs.add_parser("hold")
    hold_verb.add_argument("--seed", default="seed")
    hold_verb.add_argument("--memory-mb", type=int, default=200)
    hold_verb.add_argument("--port", type=int, default=PORT, help="0 takes a free one")
    hold_verb.add_argument("--directory", type=Path, required=True, help="on the disk, empty")
    hold_verb.add_argument("--unlinked", type=Path, action="append", default=[], help="where to hold a nameless file")
    hold_verb.set_defaults(run=hold)
    ask_verb = verbs.add_parser("ask")
    ask_verb.add_argument("--port", type=int, default=PORT)
    ask_verb.set_defaults(run=ask)
    options = parser.parse_args()
    options.run(options)


def hold(options: argparse.Namespace) -> None:
    """Prints its port once it can be asked."""
    options.directory.mkdir(parents=True, exist_ok=True)
    counter = Counter()
    probes: list[Probe] = [
        counter,
        Terminal(options.seed),
        Memory(options.seed, options.memory_mb),
        Reading(options.directory),
        Writing(options.directory),
        Locked(options.directory),
        *(Unlinked(directory) for directory in options.unlinked),
        *channels(),
        Timer(),
        Thread(),
    ]
    print(serve(Examiner(probes, lambda: counter.number), options.port), flush=True)
    while True:
        signal.pause()


def ask(options: argparse.Namespace) -> None:
    patience_s = 10 * PATIENCE_S  # each probe may wait for its own
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{options.port}/check", timeout=patience_s) as answer:
        print(answer.read().decode())


if __name__ == "__main__":
    main()
