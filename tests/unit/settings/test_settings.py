"""Settings: which source wins, and what is said of a value that cannot be."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from oc.model.errors import BadRequest
from oc.settings import load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "opencomputer.toml"
    path.write_text('listen = "127.0.0.1:1"\nmax_sandboxes = 7\nregion = "file"\n')
    return path


def test_flags_win_over_environment_over_file_over_defaults(file: Path) -> None:
    environment = {"OC_CONFIG": str(file), "OC_LISTEN": "127.0.0.1:2", "OC_MAX_SANDBOXES": "8"}
    settings = load({"listen": "127.0.0.1:3"}, environment)
    assert settings.listen == "127.0.0.1:3"
    assert settings.max_sandboxes == 8
    assert settings.region == "file"
    assert settings.domain == "localhost"


def test_values_have_their_types() -> None:
    environment = {"OC_CONFIG": "/dev/null", "OC_NETWORK": "10.9.0.0/20", "OC_DATA_DIR": "/d", "OC_DEFAULT_CPUS": "0.5"}
    settings = load(environ=environment | {"OC_DNS": "192.0.2.1, 192.0.2.2"})
    assert settings.dns == "192.0.2.1,192.0.2.2"
    assert settings.network == IPv4Network("10.9.0.0/20")
    assert settings.database == Path("/d/server/opencomputer.db")
    assert settings.default_cpus == 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen", "8080"),
        ("listen", "127.0.0.1:0"),
        ("listen", "127.0.0.1:65536"),
        ("instance", "Oc"),
        ("instance", "toolong"),
        ("instance", ""),
        ("runtime", "docker"),
        ("network", "10.0.0.0/8"),
        ("network", "10.0.0.1/16"),
        ("max_sandboxes", "0"),
        ("max_sandboxes", "many"),
        ("pool_mb", "-1"),
        ("dns", "ns.example.com"),
        ("dns", "192.0.2.1:53"),
        ("egress_private", "10.0.0.1/8"),
    ],
)
def test_bad_value_is_refused_with_its_name_source_and_meaning(name: str, value: str) -> None:
    with pytest.raises(BadRequest) as raised:
        load({name: value}, {"OC_CONFIG": "/dev/null"})
    assert f"setting {name} from --{name.replace('_', '-')}" in raised.value.text
    assert repr(value) in raised.value.text
    assert raised.value.hint


def test_unknown_name_in_the_file_is_refused(file: Path) -> None:
    file.write_text("port = 1\n")
    with pytest.raises(BadRequest, match=f"unknown setting port in {file}"):
        load(environ={"OC_CONFIG": str(file)})


def test_file_that_is_not_toml_is_refused(file: Path) -> None:
    file.write_text("listen: yes")
    with pytest.raises(BadRequest, match="is not TOML"):
        load(environ={"OC_CONFIG": str(file)})
