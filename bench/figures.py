"""Prints the figures of design and README, measured on the running server (`make up`): `make bench`.

Where a docker engine with a local image is present, the same work is done with docker in the same run.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import docker, throughput
from bench.docker import Docker
from bench.server import Server

STREAMS = 5
IDLE = 10  # sandboxes that are made to weigh one
SETTLE_S = 3.0


class Bench:
    def __init__(self, server: Server, beside: Docker | None, times: int) -> None:
        self.server = server
        self.docker = beside
        self.times = times

    def run(self) -> None:
        show(
            "create (cold) and first exec answered, API",
            self.creates(),
            self.docker_creates(self.docker) if self.docker else None,
        )
        id = self.server.create()
        try:
            self.execs(id)
            show("stdout out of a sandbox, API", rate(lambda: throughput.by_api(self.server, id)))
            show("stdout out of a sandbox, oc exec", rate(lambda: throughput.by_command_line(self.server, id)))
        finally:
            self.server.kill(id)
        show(f"host memory of an idle sandbox (of {IDLE})", f"{self.weight():.1f} MB")

    # --- creates ---

    def creates(self) -> str:
        return self.brackets(self.server.create, lambda id: self.server.run(id, "true"), self.server.kill)

    def docker_creates(self, docker: Docker) -> str:
        return self.brackets(docker.start, docker.execute, docker.remove)

    def brackets(self, create: Callable[[], str], use: Callable[[str], None], remove: Callable[[str], None]) -> str:
        """Median of making and using one; removing it is not in the time."""
        samples = []
        for _ in range(self.times):
            started = time.monotonic()
            id = create()
            use(id)
            samples.append(time.monotonic() - started)
            remove(id)
        return milliseconds(samples)

    # --- execs ---

    def execs(self, id: str) -> None:
        show("POST exec/run true", self.median(lambda: self.server.run(id, "true")))
        theirs = self.docker_execs(self.docker) if self.docker else None
        show("oc exec ID -- true, whole process", self.median(lambda: self.server.oc("exec", id, "--", "true")), theirs)
        show("an empty Python process, to compare", self.median(empty_python))

    def docker_execs(self, docker: Docker) -> str:
        container = docker.start()
        try:
            return self.median(lambda: docker.execute(container))
        finally:
            docker.remove(container)

    def median(self, work: Callable[[], None]) -> str:
        samples = []
        for _ in range(self.times):
            started = time.monotonic()
            work()
            samples.append(time.monotonic() - started)
        return milliseconds(samples)

    # --- weight ---

    def weight(self) -> float:
        """MB of the host's memory; only right when nothing else happens on it."""
        before = available_kb()
        ids = [self.server.create(memoryMB=256) for _ in range(IDLE)]
        time.sleep(SETTLE_S)
        taken = before - available_kb()
        for id in ids:
            self.server.kill(id)
        return taken / 1024 / IDLE


def empty_python() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def available_kb() -> int:
    found = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    assert found is not None
    return int(found[1])


def milliseconds(samples: list[float]) -> str:
    ordered = sorted(1000 * sample for sample in samples)
    return f"{statistics.median(ordered):.1f} ms (worst of {len(ordered)}: {ordered[-1]:.0f})"


def rate(measure: Callable[[], float]) -> str:
    return f"{statistics.median(measure() for _ in range(STREAMS)):.0f} MB/s (of {STREAMS})"


def show(what: str, ours: str, theirs: str | None = None) -> None:
    print(f"{what:<46} {ours:<32} {theirs or '-'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="samples of each median [20]")
    arguments = parser.parse_args()
    beside, why = docker.find()
    server = Server()
    print(f"Server {server.url}; beside it: {why}\n")
    show("", "OpenComputer", "docker")
    Bench(server, beside, arguments.times).run()


if __name__ == "__main__":
    main()
