"""What `make up` says at its end: where people and their command lines reach this server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from oc.serve.hello import next_steps
from oc.settings import Settings


@pytest.mark.parametrize(
    ("listen", "public_url", "url", "alone"),
    [
        ("127.0.0.1:8080", "", "http://127.0.0.1:8080", True),
        ("127.0.0.1:8080", "https://oc.example.com", "https://oc.example.com", False),
        ("0.0.0.0:8080", "", f"http://{socket.gethostname()}:8080", False),
        ("10.0.0.5:80", "", "http://10.0.0.5:80", False),
    ],
)
def test_it_names_the_dashboard_and_the_line_that_installs_oc(
    listen: str, public_url: str, url: str, alone: bool
) -> None:
    host, _, port = listen.rpartition(":")
    here = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    said = next_steps(Settings(listen=listen, public_url=public_url), here)
    assert f"OpenComputer runs at {here}." in said
    assert f"Dashboard: {url}/ " in said
    assert f"curl -fsSL {url}/install.sh | bash\n" in said
    assert ("listens on this machine only" in said) == alone


def test_it_tells_the_code_that_is_asked_of_the_first_person(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "setup-code").write_text("BCDF-GHJK\n")
    here = "http://127.0.0.1:8080"
    assert "with the setup code BCDF-GHJK, is" in next_steps(Settings(listen="0.0.0.0:8080", data_dir=tmp_path), here)
    assert "setup code" not in next_steps(Settings(data_dir=tmp_path), here)
