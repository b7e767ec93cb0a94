"""The base image as data: what every sandbox is born with, on any host. Its key changes with every change of it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from dataclasses import asdict, dataclass

SANDBOX_UID = 1000  # contract 2.4

PACKAGES = (
    # languages and builds
    "build-essential", "git", "nodejs", "npm", "python-is-python3", "python3", "python3-dev", "python3-pip",
    "python3-venv", "sqlite3",
    # network
    "ca-certificates", "curl", "iproute2", "iputils-ping", "netcat-openbsd", "openssh-client", "rsync", "wget",
    # files and archives
    "file", "jq", "less", "ripgrep", "unzip", "xz-utils", "zip",
    # people at a terminal
    "nano", "procps", "psmisc", "sudo", "tmux", "vim-tiny",
)  # fmt: skip

APT = {
    "APT::Install-Recommends": "false",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "Dpkg::Use-Pty": "0",
}

DPKG = (
    "force-unsafe-io",  # a sandbox that crashes is not booted again in the middle of an installation
    # nobody reads manuals in a sandbox; licences stay
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)

FILES = {
    "/etc/apt/apt.conf.d/90sandbox": "".join(f'{name} "{value}";\n' for name, value in APT.items()),
    "/etc/sudoers.d/sandbox": "sandbox ALL=(ALL:ALL) NOPASSWD: ALL\n",
}

STEPS = (  # by a shell, in the image
    f"useradd --create-home --uid {SANDBOX_UID} --shell /bin/bash sandbox",
    "ln -s /home/sandbox /workspace",
    "chmod 440 /etc/sudoers.d/sandbox",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    suite: str = "bookworm"
    size_mb: int = 2048  # of the file system that it is written to: no disk may be smaller
    journal_mb: int = 16  # enough for a crash of the host to lose nothing that was synced
    packages: tuple[str, ...] = PACKAGES
    dpkg: tuple[str, ...] = DPKG
    files: tuple[tuple[str, str], ...] = tuple(FILES.items())
    steps: tuple[str, ...] = STEPS

    def key(self) -> str:
        """The same for the same image, of the same kind of machine."""
        text = json.dumps([asdict(self), os.uname().machine], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def mmdebstrap(self, target: str) -> list[str]:
        """Command line of mmdebstrap(1); sources come on its standard input, or are its own default."""
        return [
            "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=tar",
            *(f"--aptopt={name} \"{value}\"" for name, value in APT.items()),
            *(f"--dpkgopt={option}" for option in self.dpkg),
            f"--include={','.join(self.packages)}",
            f"--customize-hook={self._customize()}",
            self.suite, target,
        ]  # fmt: skip

    def _customize(self) -> str:
        """A script that is given the image's directory as `$1`."""
        writes = (f'printf %s {shlex.quote(text)} >"$1"{shlex.quote(path)}' for path, text in self.files)
        steps = (f'chroot "$1" {step}' for step in self.steps)
        return " && ".join([*writes, *steps])

    def mke2fs(self, image: str) -> list[str]:
        """Command line of mke2fs(8) for the file system that the image is unpacked to."""
        return [
            "mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-J", f"size={self.journal_mb}",
            "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", image, f"{self.size_mb}M",
        ]  # fmt: skip


BASE = Recipe()
