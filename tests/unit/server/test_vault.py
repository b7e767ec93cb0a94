"""Secrets at rest: what is encrypted can be read under its key, in its place, unchanged; and nowhere else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc.model.errors import Failed
from oc.server.vault import Vault, place
from oc.settings import Settings

FIRST, SECOND = "1" * 64, "2" * 64
VALUE = "sk-plain"
HERE = place("store", "NAME")


def vault(*keys: str) -> Vault:
    return Vault(Settings(master_key=",".join(keys)))


@given(st.text(max_size=300))
def test_what_is_encrypted_comes_back(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    one = vault(FIRST)
    assert one.decrypt(one.encrypt(value, HERE), HERE) == value


def test_the_same_value_is_never_written_alike_nor_in_plain() -> None:
    one = vault(FIRST)
    texts = {one.encrypt(VALUE, HERE) for _ in range(50)}
    assert len(texts) == 50
    for text in texts:
        assert VALUE.encode() not in base64.b64decode(text.partition(":")[2])


@pytest.mark.parametrize("elsewhere", [place("store", "OTHER"), place("other", "NAME"), ""])
def test_a_value_that_was_moved_to_another_place_cannot_be_read(elsewhere: str) -> None:
    one = vault(FIRST)
    with pytest.raises(Failed) as error:
        one.decrypt(one.encrypt(VALUE, HERE), elsewhere)
    assert VALUE not in str(error.value)


def test_no_changed_byte_goes_unseen() -> None:
    one = vault(FIRST)
    id, _, sealed = one.encrypt(VALUE, HERE).partition(":")
    raw = base64.b64decode(sealed)
    for index in range(len(raw)):
        damaged = raw[:index] + bytes((raw[index] ^ 1,)) + raw[index + 1 :]
        with pytest.raises(Failed):
            one.decrypt(f"{id}:{base64.b64encode(damaged).decode()}", HERE)
    for text in (f"{id}:", f"{id}:AAAA", f"{id}:no base64", sealed, ""):
        with pytest.raises(Failed):
            one.decrypt(text, HERE)


def test_a_former_key_still_reads_and_the_first_one_writes() -> None:
    old = vault(FIRST).encrypt(VALUE, HERE)
    both = vault(SECOND, FIRST)
    assert both.decrypt(old, HERE) == VALUE
    assert vault(SECOND).decrypt(both.encrypt(VALUE, HERE), HERE) == VALUE
    with pytest.raises(Failed, match="not there any more"):
        vault(SECOND).decrypt(old, HERE)


@pytest.mark.parametrize("key", [" ", ",", "12", "x" * 64, "1" * 63, f"{FIRST},12", "é" * 64])
def test_what_is_no_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(Failed) as error:
        vault(key).encrypt(VALUE, HERE)
    assert VALUE not in str(error.value)
    assert "1" * 12 not in str(error.value)


def test_the_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    file = settings.master_key_file
    one = Vault(settings)
    with pytest.raises(Failed, match="cannot be read"):
        one.encrypt(VALUE, HERE)
    file.parent.mkdir()
    file.write_text(f"{FIRST}\n")
    old = one.encrypt(VALUE, HERE)
    fresh = tmp_path / "fresh"
    fresh.write_text(f"{SECOND}\n{FIRST}\n")
    fresh.replace(file)
    assert one.decrypt(old, HERE) == VALUE
    assert vault(SECOND).decrypt(one.encrypt(VALUE, HERE), HERE) == VALUE
