"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ringfence.cli.terminal import light_options
from ringfence.cli.terminal.screen import after, say
from ringfence.compiling import cache_base
from ringfence.compose.deciding.definitions import Definitions, load_definitions, warm_up
from ringfence.compose.folder.keys import has_key_file, open_keys
from ringfence.errors import InputError, RuleError
from ringfence.features.kernel.jit import is_kept
from ringfence.features.precompile import is_compiled
from ringfence.graph.kernel.measure import link
from ringfence.scoring.rulesets.reason_texts import check_texts
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_MOST_TOLD = 5  # rules that are left out, each with what it lacks

Data = light_options.Data
Json = light_options.Json
folder = light_options.folder
Mapping = Annotated[
    str | None,
    typer.Option(
        "--mapping",
        "-m",
        help="How columns become fields: a shipped mapping (`ringfence sources`) or a .toml file. Without "
        "it, told from the first source.",
        metavar="NAME|FILE",
    ),
]
Features = Annotated[
    Path | None,
    typer.Option(
        "--features",
        "-f",
        help="Python file that assigns `spec`. [default: features.py if there, else the shipped catalog]",
        metavar="FILE.py",
        show_default=False,
    ),
]
Rules = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        "-r",
        help="Rule book. [default: rules.yaml if there, else the shipped one]",
        metavar="FILE.yaml",
        show_default=False,
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="Folder of a model that `ringfence train` wrote. [default: none, or what was promoted]",
        metavar="DIR",
        show_default=False,
    ),
]

LogOrSources = Annotated[
    list[str] | None,
    typer.Argument(help="Files, folders or globs. Without them, the log of --data.", metavar="SOURCE"),
]
LabelDelay = Annotated[
    str | None,
    typer.Option(help="How long after the payment its label becomes known, such as 7d.", metavar="DURATION"),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        help="A file of labels for the payments of the sources: a report each, with the time it came. "
        "Repeatable.",
        metavar="FILE",
        show_default=False,
    ),
]
LabelsMapping = Annotated[
    str | None,
    typer.Option(help="The mapping of --labels. [default: told from the file]", metavar="NAME|FILE"),
]
SourceFormat = Annotated[
    Literal["csv", "ndjson", "parquet"] | None,
    typer.Option("--format", help="Format of the sources. [default: by name and content]"),
]

Order = Annotated[
    Literal["auto", "time", "arrival"],
    typer.Option(
        help="auto sorts and merges by event time where the sources are not in order, such as newest-first "
        "files; time always sorts; arrival takes the rows as they stand, one source after the other."
    ),
]


@contextmanager
def people(data: Path | None, server: str | None = None) -> Iterator[Callable[[str | None], str]]:
    """How the keys that signed something are called; a server's keys are its own, and go by their ids."""
    data_folder = folder(data)
    if server is not None or not has_key_file(data_folder):
        yield lambda author: author or ""
        return
    with closing(open_keys(data_folder)) as keys:
        yield keys.person


def definitions(
    features: Path | None, rules: Path | None, model: Path | None = None, *, observing: bool = False
) -> Definitions:
    """Those that options, settings or the current folder name, else the shipped ones; ready to decide.

    Rules that are left out are told, and a text with a name that nothing fills in. `observing` as of
    `warm_up`.
    """
    found = load_definitions(features_file(features), rules_file(rules), model or load_settings().model)
    if len(found.left_out) > _MOST_TOLD:
        say(
            f"{len(found.left_out)} shipped rules left out, because {found.spec_origin} does not serve them: "
            "`ringfence rules list` names what each lacks. To keep them, add your features to the shipped "
            "ones: spec = CATALOG.with_features(...), from ringfence.features.catalog"
        )
    else:
        for left in found.left_out:
            say(f"Left out, because {found.spec_origin} does not serve it: {left.why}")
    try:
        check_texts(found.rules.ruleset, found.spec)
    except RuleError as error:  # an older version took it, and braces in a text keep nobody from deciding
        say(f"Warning: {error}")
    with compiling(graph=found.spec.graph is not None):
        warm_up(found, observing=observing)
    return found


def features_file(option: Path | None) -> Path | None:
    """The file that declares the features, None for the shipped catalog."""
    return option or load_settings().features or _present("features.py")


def rules_file(option: Path | None) -> Path | None:
    """The file with the rule book, None for the shipped one."""
    return option or load_settings().rules or _present("rules.yaml")


def compiling(*, graph: bool = False) -> AbstractContextManager[None]:
    """Tells why the first command on a machine takes its time; `graph` where one is declared."""
    if is_compiled() and (not graph or is_kept(link)):
        return nullcontext()
    if cache_base() is None:
        return after(
            1.5,
            "Compiling the engine, as every start does here: no folder for its machine code can be written. "
            "Name one with XDG_CACHE_HOME (systemd: CacheDirectory=ringfence)",
        )
    return after(1.5, "Compiling the engine once for this machine ...")


def _present(name: str) -> Path | None:
    return Path(name) if Path(name).is_file() else None


def parse_time_ms(text: str | None, option: str) -> int | None:
    """Milliseconds of an ISO date or time; UTC unless it names a zone.

    >>> parse_time_ms("2024-05-01", "--since")
    1714521600000
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{option} {text!r} is no time: write 2024-05-01, or 2024-05-01T10:00:00+02:00"
        ) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
