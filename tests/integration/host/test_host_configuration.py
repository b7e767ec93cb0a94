"""What is taken over from the host's own configuration, and what must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from oc.host import apt, ca, kernel, registries

DEB822 = """# a comment
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /etc/apt/keyrings/ours.gpg

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: trixie
Components: main

Types: deb
URIs: https://user:secret@private.test/debian
Suites: trixie
Components: main
"""
LINES = """deb [arch=amd64 signed-by=/k.gpg] https://mirror.test/security trixie-security main # comment
# deb http://off.test/debian trixie main
deb-src http://mirror.test/debian trixie main
deb file:/srv/debian trixie main
deb https://other.test/apt some-suite main
"""


@pytest.fixture
def etc_apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    (tmp_path / "sources.list").write_text(LINES)
    return tmp_path


def test_apt_sources_of_a_debian_host_are_renamed(etc_apt: Path, tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('NAME="Debian"\nVERSION_CODENAME=trixie\nID=debian\n')
    assert apt.sources("bookworm", etc_apt, release).splitlines() == [
        "deb [signed-by=/k.gpg] https://mirror.test/security bookworm-security main",
        "deb [signed-by=/etc/apt/keyrings/ours.gpg] http://mirror.test/debian bookworm main contrib",
        "deb [signed-by=/etc/apt/keyrings/ours.gpg] http://mirror.test/debian bookworm-updates main contrib",
    ]


def test_apt_sources_of_another_host_are_none(etc_apt: Path, tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text("ID=ubuntu\nVERSION_CODENAME=noble\n")
    assert apt.sources("bookworm", etc_apt, release) == ""


def test_pip_indexes(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://one.test/simple\nextra_index_url =\n  file:///opt/simple\n"
        "  https://two.test/simple\n  https://user:secret@three.test/simple\n"
    )
    files = [str(tmp_path / "pip.conf"), str(tmp_path / "none.conf")]
    assert registries.pip(files, {}) == registries.Pip("https://one.test/simple", ("https://two.test/simple",))
    assert registries.pip(files, {"PIP_INDEX_URL": "https://four.test/"}).index_url == "https://four.test/"
    assert registries.pip([], {}) == registries.Pip(None, ())


def test_npm_registry(tmp_path: Path) -> None:
    (tmp_path / "npmrc").write_text("fund=false\nregistry = https://npm.test/\n//npm.test/:_authToken=secret\n")
    assert registries.npm([str(tmp_path / "npmrc")], {}) == "https://npm.test/"
    assert registries.npm([str(tmp_path / "npmrc")], {"npm_config_registry": "https://b.test/"}) == "https://b.test/"
    assert registries.npm([], {}) is None


def test_only_certificates_are_taken_and_each_once(tmp_path: Path) -> None:
    one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    two = one.replace("AAAA", "BBBB")
    key = "-----BEGIN PRIVATE KEY-----\nCCCC\n-----END PRIVATE KEY-----\n"
    (tmp_path / "below").mkdir()
    (tmp_path / "a.crt").write_text(one + key + two)
    (tmp_path / "below" / "b.crt").write_text(one)
    (tmp_path / "c.txt").write_text(one.replace("AAAA", "DDDD"))
    assert ca.extra_certificates((tmp_path, tmp_path / "absent")) == [one, two]


def test_kernel_facts_are_known() -> None:
    assert kernel.cgroup_mode() in {"v1", "v2", "hybrid", "none"}
    assert kernel.rmem_default_per_netns() in {True, False}
    assert kernel.release()
