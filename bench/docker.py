"""The same work with docker, where an engine runs and has an image; nothing is pulled."""

from __future__ import annotations

import subprocess


def docker(*argv: str) -> str:
    done = subprocess.run(["docker", *argv], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout.strip()


class Docker:
    def __init__(self, image: str) -> None:
        self.image = image

    def start(self) -> str:
        return docker("run", "-d", "--rm", self.image, "sleep", "3600")

    def execute(self, container: str) -> None:
        docker("exec", container, "true")

    def remove(self, container: str) -> None:
        docker("rm", "--force", container)


def find() -> tuple[Docker | None, str]:
    """Docker with its newest local image, or why there is none to compare with."""
    try:
        images = docker("images", "--filter", "dangling=false", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    except FileNotFoundError:
        return None, "docker is not installed"
    except subprocess.CalledProcessError as error:
        return None, f"no docker engine answers: {error.stderr.strip()}"
    if not images:
        return None, "the docker engine has no image"
    return Docker(images[0]), f"docker image {images[0]}"
