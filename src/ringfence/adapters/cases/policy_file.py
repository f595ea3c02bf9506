"""The file in which a project says how it works its cases."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ringfence.cases.policy import CasePolicy, parse_policy
from ringfence.errors import InputError
from ringfence.events.values.texts import TOML_LIMIT, read_text

FILE_NAME: Final = "cases.toml"


def read_policy(file: Path | None) -> CasePolicy:
    """The policy in a file; without one that of `cases.toml` in the current folder, or the shipped one.

    `InputError` names what is wrong with it.
    """
    if file is None:
        file = Path(FILE_NAME)
        if not file.is_file():
            return CasePolicy()
    try:
        text = read_text(file, TOML_LIMIT)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): give a case policy in TOML") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text: save it as UTF-8") from error
    return parse_policy(text, str(file))
