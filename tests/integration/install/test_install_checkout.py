"""scripts/install.sh, and with it all that does not depend on where the command line comes from."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import oc
from oc.server.cli_archive import archive
from tests.integration.install.home import ROOT, SYSTEM_PATH, Home, tools

LIBRARY = ROOT / "src" / "oc" / "server" / "install.sh"
VERSION = hashlib.sha256(archive()).hexdigest()[:12]


def works(home: Home, program: Path | None = None) -> bool:
    return home.run(program or home.oc, "version").out == f"oc version {oc.__version__}\n"


def test_installs_for_the_user_and_says_what_there_is(home: Home) -> None:
    ran = home.from_checkout()
    assert ran.code == 0, ran.err
    assert works(home)
    assert f"Installed oc version {oc.__version__} as {home.oc}\n" in ran.out
    assert "API URL:     http://127.0.0.1:8080\nAPI Key:\n" in ran.out
    assert "no API key is set" in ran.err
    assert {entry.name for entry in home.path.iterdir()} == {".local"}
    assert home.installed == {VERSION, "current"}
    assert home.oc.stat().st_mode & 0o777 == 0o755
    assert list(home.oc.parent.iterdir()) == [home.oc]


def test_second_run_changes_nothing(home: Home) -> None:
    first = home.from_checkout()
    launcher = home.oc.read_bytes()
    again = home.from_checkout()
    assert (again.code, again.out, again.err) == (0, first.out, first.err)
    assert home.oc.read_bytes() == launcher
    assert home.installed == {VERSION, "current"}


def test_two_runs_at_once_do_not_harm_each_other(home: Home) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs = [future.result() for future in [pool.submit(home.from_checkout) for _ in range(3)]]
    assert [ran.code for ran in runs] == [0, 0, 0], [ran.err for ran in runs]
    assert works(home)
    assert home.installed == {VERSION, "current"}


def test_upgrade_keeps_the_version_that_may_be_running_and_no_other(home: Home) -> None:
    for name in ("old", "older"):
        (home.versions / name).mkdir(parents=True)
    (home.versions / "current").symlink_to("old")
    assert home.from_checkout().code == 0
    assert home.installed == {VERSION, "current", "old"}
    assert works(home)


def test_running_it_again_mends_what_is_broken(home: Home) -> None:
    home.from_checkout()
    (home.versions / VERSION / "oc" / "cli" / "main.py").unlink()
    assert not works(home)
    assert home.from_checkout().code == 0
    assert works(home)


def test_other_directory_may_be_asked_for(home: Home, tmp_path: Path) -> None:
    chosen = tmp_path / "a b" / "bin"
    home.variables["OC_INSTALL_DIR"] = str(chosen)
    ran = home.from_checkout()
    assert works(home, chosen / "oc")
    assert not home.oc.exists()
    assert f'export PATH="{chosen}:$PATH"' in ran.err


def test_another_program_of_that_name_is_kept(home: Home) -> None:
    home.oc.parent.mkdir(parents=True)
    home.oc.write_text("#!/bin/sh\necho other\n")
    ran = home.from_checkout()
    assert works(home)
    assert f"it is {home.oc}.former now" in ran.err
    assert home.oc.with_name("oc.former").read_text() == "#!/bin/sh\necho other\n"
    assert "former now" not in home.from_checkout().err


def test_directory_in_the_way_is_named(home: Home) -> None:
    home.oc.mkdir(parents=True)
    ran = home.from_checkout()
    assert (ran.code, ran.out) == (1, "")
    assert f"{home.oc} is a directory" in ran.err


@pytest.mark.parametrize(
    ("shell", "line", "file"),
    [
        ("/bin/bash", 'export PATH="$HOME/.local/bin:$PATH"', "~/.bash"),
        ("/usr/bin/zsh", 'export PATH="$HOME/.local/bin:$PATH"', "~/.zshrc"),
        ("/usr/bin/fish", 'fish_add_path "$HOME/.local/bin"', "~/.config/fish/config.fish"),
        ("/bin/dash", 'export PATH="$HOME/.local/bin:$PATH"', "~/.profile"),
        ("", 'export PATH="$HOME/.local/bin:$PATH"', "~/.profile"),
    ],
)
def test_line_for_path_is_the_one_of_the_users_shell(home: Home, shell: str, line: str, file: str) -> None:
    home.variables["SHELL"] = shell
    ran = home.from_checkout()
    assert f"\n    {line}\n" in ran.err
    assert file in ran.err


def test_line_for_path_makes_the_shell_find_oc(home: Home) -> None:
    lines = [line.strip() for line in home.from_checkout().err.splitlines()]
    export = next(line for line in lines if line.startswith("export PATH="))
    assert home.run("bash", "-c", f"{export}; command -v oc").out == f"{home.oc}\n"


def test_nothing_is_said_about_path_when_oc_is_found(home: Home) -> None:
    home.search = f"{home.oc.parent}:{SYSTEM_PATH}"
    assert "PATH" not in home.from_checkout().err


def test_another_oc_that_comes_first_is_named(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "oc"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    home.search = f"{tmp_path}:{home.oc.parent}:{SYSTEM_PATH}"
    assert f"another oc comes first on your PATH: {other}" in home.from_checkout().err


# --- the interpreter --------------------------------------------------------------------------------------------------


def stand_in(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_a_python_that_is_new_enough_it_says_what_to_install(home: Home, tmp_path: Path) -> None:
    home.search = tools(tmp_path / "tools")
    stand_in(tmp_path / "tools", "python3", "exit 1")  # as an old one answers the question for its version
    ran = home.run("bash", "-c", f". '{LIBRARY}'; PLACES=; begin")
    assert (ran.code, ran.out) == (1, "")
    assert "oc needs Python 3.11 or newer" in ran.err
    assert list(home.path.iterdir()) == []


def test_shim_of_a_version_that_is_not_there_is_passed_over(home: Home, tmp_path: Path) -> None:
    home.search = tools(tmp_path / "tools", python=True)
    stand_in(tmp_path / "tools", "python3.14", "echo 'version 3.14 is not installed' >&2; exit 127")
    assert home.from_checkout().code == 0
    assert works(home)


def test_launcher_outlives_the_virtual_environment_it_was_installed_in(home: Home, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    home.search = f"{tmp_path / 'venv' / 'bin'}:{tools(tmp_path / 'tools')}"
    assert home.from_checkout().code == 0
    assert str(tmp_path / "venv") not in home.oc.read_text()
    assert works(home)


def test_launcher_says_when_its_interpreter_has_gone(home: Home) -> None:
    home.from_checkout()
    text = home.oc.read_text()
    home.oc.write_text(
        "".join("python=/gone\n" if line.startswith("python=") else f"{line}\n" for line in text.splitlines())
    )
    ran = home.run(home.oc, "version")
    assert (ran.code, ran.out) == (1, "")
    assert "install oc again" in ran.err


def test_what_python_is_told_by_the_environment_does_not_matter(home: Home, tmp_path: Path) -> None:
    """An `oc` package of another project, or a startup file, must not get into the program that has the key."""
    home.from_checkout()
    (tmp_path / "oc").mkdir()
    (tmp_path / "oc" / "__init__.py").write_text("raise SystemExit('hijacked')")
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    hostile = replace(home, variables={"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "json.py")})
    assert works(hostile)
    assert home.run("bash", "-c", f"cd '{tmp_path}'; \"$0\" version", home.oc).code == 0


def test_scripts_use_nothing_that_old_bash_lacks() -> None:
    """macOS has bash 3.2."""
    text = LIBRARY.read_text()
    assert not any(
        word in text for word in ("mapfile", "readarray", "declare -A", "local -n", ",,}", "^^}", "&>>", "|&")
    )
