from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.cli.program import Program
from tests.integration.cli.stand_in import KEY

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Program]]:
    """Starts a stand-in server, and gives the command line set up for it."""
    with ExitStack() as running:

        def start(*flags: str) -> Program:
            argv = [sys.executable, "-m", "tests.integration.cli.stand_in", *flags]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
            running.enter_context(server)
            running.callback(server.kill)
            assert server.stdout is not None
            port = int(server.stdout.readline())
            return Program(tmp_path_factory.mktemp("home"), f"http://127.0.0.1:{port}", KEY)

        yield start


@pytest.fixture(scope="module")
def oc(start: Callable[..., Program]) -> Program:
    return start()
