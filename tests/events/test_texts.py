"""Mappings, settings and rule books are texts of bounded size and nesting."""

import pytest

from ringfence.errors import InputError
from ringfence.events.mapping import load_mapping
from ringfence.library import load_rules
from ringfence.settings import load_settings

BOMBS = {
    "nested lists": ("a = " + "[" * 100_000 + "]" * 100_000, "nested too deeply"),
    "nested tables": ("a = " + "{a=" * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
    "a long name": (".".join(["a"] * 100_000) + " = 1", "more than 256 parts"),
    "a long table": ("\n[" + ".".join(["a"] * 100_000) + "]", "line 2: a name of more than 256 parts"),
    "size": ("a = 1\n" * 400_000, "larger than 1 MiB"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_mapping_or_a_settings_file_that_cannot_be_read_within_bounds_is_an_input_error(
    tmp_path, monkeypatch, name
):
    text, said = BOMBS[name]
    (tmp_path / "ringfence.toml").write_text(text)
    with pytest.raises(InputError, match=said):
        load_mapping(str(tmp_path / "ringfence.toml"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        load_settings()


def test_a_rule_book_that_is_too_large_is_not_read_whole():
    with pytest.raises(InputError, match="larger than 4 MiB"):
        load_rules("/dev/zero")
