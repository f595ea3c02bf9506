"""Settings are read once, until the file or the environment says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import InputError
from ringfence.settings import FILE_NAME, load_settings


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / FILE_NAME


def test_what_has_not_changed_is_not_read_again(file):
    file.write_text('data_dir = "a"')
    assert load_settings() is load_settings()


def test_a_change_is_seen_at_once(file, monkeypatch):
    assert load_settings().data_dir == Path("ringfence-data")
    for name in ("a", "b"):
        file.write_text(f'data_dir = "{name}"')
        assert load_settings().data_dir == Path(name)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", "c")
    assert load_settings().data_dir == Path("c")
    monkeypatch.delenv("RINGFENCE_DATA_DIR")
    assert load_settings().data_dir == Path("b")


def test_what_cannot_be_read_is_refused_each_time(file):
    load_settings()
    file.write_text("data_dir = ")
    for _ in range(2):
        with pytest.raises(InputError, match=FILE_NAME):
            load_settings()
