"""`ringfence init`: a project folder that runs as it is."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ringfence.cli.setup.sinks import open_file
from ringfence.cli.terminal import screen
from ringfence.errors import InputError
from ringfence.simulate import SCHEMA, World

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_NAME: Final = re.compile(r"[\w][\w.-]*")
_COPIED: Final = {
    "ringfence.toml": "ringfence.toml",
    "features.py": "features.py",
    "gitignore": ".gitignore",
    "models/README.md": "models/README.md",
}
SAMPLE: Final = "data/payments.ndjson"
_HEAD: Final = """\
# How payments are judged. These are the rules that Ringfence ships, yours to edit; the last one is an example
# of your own. `ringfence rules check rules.yaml` checks, `ringfence replay` shows what a change would do.
# Amounts are in major units of the payment's own currency. Texts may name a feature in braces.
"""
_DAYS, _CUSTOMERS = 14, 300


def init(
    name: Annotated[
        Path, typer.Argument(help="Folder to create or fill.", metavar="NAME", show_default=False)
    ],
) -> None:
    """Create a project folder with settings, features, rules and sample payments, all commented.

    Example: ringfence init till-fraud
    """
    named = name.resolve().name  # of `.`, too
    if not _NAME.fullmatch(named):
        raise InputError(f"{named!r} is no name for a project: use letters, digits, - and _")
    if name.exists() and (not name.is_dir() or any(name.iterdir())):
        raise InputError(f"{name} is there already and not empty: nothing was changed. Choose another name")
    try:
        _fill(name)
    except OSError as error:
        raise InputError(f"{error.filename or name} cannot be written ({error.strerror})") from error
    here = name.resolve() == Path.cwd()
    screen.show(f"{named if here else name} is ready. Next:")
    for line in (f"cd {name}", "ringfence doctor", f"ringfence run {SAMPLE}", "ringfence serve")[here:]:
        screen.show(f"  {line}")


def _fill(folder: Path) -> None:
    shipped = resources.files("ringfence.cli.project")
    for inner in ("models", "data"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    for source, target in _COPIED.items():
        _write(folder / target, _text(shipped, source))
    _write(folder / "README.md", _text(shipped, "README.md").replace("NAME", folder.resolve().name))
    _write(folder / "rules.yaml", _book(shipped))
    with open_file(str(folder / SAMPLE), SCHEMA) as write:
        for made in World(1, _CUSTOMERS).days(_DAYS):
            write(made.events)


def _book(shipped: Traversable) -> str:
    """The shipped rules, to be edited, and one that shows how an own one looks."""
    text = _text(resources.files("ringfence.scoring.rulebook"), "default.yaml")
    body = text[text.index("\nname: ") + 1 :].replace("name: default", "name: mine", 1)
    end = body.index("\n# Named scenarios")  # behind the rules
    body = body[:end].rstrip() + "\n" + _text(shipped, "own_rule.yaml") + body[end:]
    return _HEAD + body


def _text(folder: Traversable, name: str) -> str:
    return folder.joinpath(*name.split("/")).read_text("utf-8")


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
