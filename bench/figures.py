"""Prints the figures of design and README, measured on the running server (`make up`): `make bench`.

Where a docker engine with a local image is present, the same work is done with docker in the same run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable

from bench import docker, host, throughput
from bench.docker import Docker
from bench.server import Server
from bench.table import duration, heading, megabytes, rate, section, show
from bench.time_travel import TimeTravel
from bench.timing import several

STREAMS = 5
IDLE = 10  # sandboxes that are made to weigh one
WEIGHED = 3  # times, for what the host has left is every program's doing
SETTLE_S = 3.0


class Basics:
    def __init__(self, server: Server, beside: Docker | None, times: int) -> None:
        self.server = server
        self.docker = beside
        self.times = times

    def run(self) -> None:
        section("Sandboxes")
        what = "create (cold) and first exec answered, API"
        show(what, self.creates(), "<= 400 ms", self.docker_creates(self.docker) if self.docker else "-")
        id = self.server.create()
        try:
            self.execs(id)
            self.streams(id)
        finally:
            self.server.kill(id)
        self.weigh()

    # --- creates ---

    def creates(self) -> str:
        return self.brackets(self.server.create, lambda id: self.server.run(id, "true"), self.server.kill)

    def docker_creates(self, docker: Docker) -> str:
        return self.brackets(docker.start, docker.execute, docker.remove)

    def brackets(self, create: Callable[[], str], use: Callable[[str], object], remove: Callable[[str], None]) -> str:
        """Median of making and using one; removing it is not in the time."""
        samples = []
        for _ in range(self.times):
            started = time.monotonic()
            id = create()
            use(id)
            samples.append(time.monotonic() - started)
            remove(id)
        return duration(samples)

    # --- execs ---

    def execs(self, id: str) -> None:
        show("POST exec/run true", self.median(lambda: self.server.run(id, "true")), "<= 25 ms")
        theirs = self.docker_execs(self.docker) if self.docker else "-"
        ours = self.median(lambda: self.server.oc("exec", id, "--", "true"))
        show("oc exec ID -- true, whole process", ours, "no slower than docker's", theirs)
        show("an empty Python process, to compare", self.median(empty_python))

    def docker_execs(self, docker: Docker) -> str:
        container = docker.start()
        try:
            return self.median(lambda: docker.execute(container))
        finally:
            docker.remove(container)

    def median(self, work: Callable[[], object]) -> str:
        return duration(several(work, self.times))

    def streams(self, id: str) -> None:
        by_api = [throughput.by_api(self.server, id) for _ in range(STREAMS)]
        show("stdout out of a sandbox, API", rate(by_api), ">= 150 MB/s")
        by_command_line = [throughput.by_command_line(self.server, id) for _ in range(STREAMS)]
        show("stdout out of a sandbox, oc exec", rate(by_command_line), ">= 150 MB/s")

    # --- weight ---

    def weigh(self) -> None:
        taken, charged = zip(*[self.weights() for _ in range(WEIGHED)], strict=True)
        what = f"idle sandbox (of {IDLE})"
        known = [weight for weight in charged if weight is not None]
        show(f"{what}: charged to its control group", megabytes(known) if known else "-", "<= 14 MB")
        show(f"{what}: what the host has less", megabytes(taken), "<= 14 MB, on an idle host")

    def weights(self) -> tuple[float, float | None]:
        """Bytes of one: what the host has less available, and what is charged to its group.

        Memory of what ended a moment ago comes back late, so the host is left alone for a while before each look.
        """
        time.sleep(SETTLE_S)
        before = host.available()
        ids = [self.server.create(memoryMB=256) for _ in range(IDLE)]
        try:
            time.sleep(SETTLE_S)
            return (before - host.available()) / IDLE, host.weight(ids)
        finally:
            self.server.kill(*ids)


def empty_python() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="samples of each median of the basics [20]")
    parser.add_argument("--only", choices=("basics", "time-travel"), help="one part of them [both]")
    arguments = parser.parse_args()
    beside, why = docker.find()
    server = Server()
    print(f"Server {server.url}; beside it: {why}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs\n")
    heading()
    parts: dict[str, Basics | TimeTravel] = {
        "basics": Basics(server, beside, arguments.times),
        "time-travel": TimeTravel(server),
    }
    for name, part in parts.items():
        if arguments.only in {None, name}:
            part.run()


if __name__ == "__main__":
    main()
