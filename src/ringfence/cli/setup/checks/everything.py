"""All checks in the order in which one would look: the machine, the project, the store, the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.cli.setup.checks import machine, project, service
from ringfence.cli.setup.checks.aws import backups, named_secrets, tables
from ringfence.cli.setup.checks.check import Check, State
from ringfence.cli.setup.checks.control_topic import control_topic
from ringfence.cli.setup.checks.messages import messages as test_messages
from ringfence.cli.setup.checks.models import models
from ringfence.cli.setup.checks.streams import streams
from ringfence.cli.setup.checks.vault import vault
from ringfence.cli.terminal import options
from ringfence.compose.clock import now_ms
from ringfence.errors import InputError, RingfenceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def all_checks(
    data: Path | None,
    features: Path | None,
    rules: Path | None,
    port: int | None,
    *,
    deep: bool,
    messages: bool = False,
) -> Iterator[Check]:
    """One by one, as they are made; one that cannot be made is a finding itself."""
    yield from machine.versions()
    yield from machine.resources()
    yield from machine.compile_cache()
    try:
        folder = options.folder(data)
    except InputError as error:
        yield Check("settings", State.BAD, str(error))
        return
    yield from _guarded("settings", project.settings())
    yield from _guarded("definitions", project.definitions(features, rules))
    yield from _guarded("secrets", named_secrets())
    yield from _guarded("streams", streams())
    yield from _guarded("dynamodb", tables(folder))
    yield from _guarded("disk", machine.disk(folder))
    report = project.store(folder, deep=deep)
    yield from report.checks
    yield from _guarded("control", control_topic(folder))
    yield from _guarded("backups", backups(folder, now_ms()))
    yield from _guarded("vault", vault(folder))
    yield from machine.room(folder, report.bytes_a_day)
    yield from machine.clock(report.newest_ms)
    yield from _guarded("models", models(folder, project.specification(features, rules)))
    yield from service.serving(port)
    if messages:
        yield from _guarded("messages", test_messages(folder))


def _guarded(part: str, checks: Iterator[Check]) -> Iterator[Check]:
    """What goes wrong on purpose is a finding; its message names the remedy."""
    try:
        yield from checks
    except RingfenceError as error:
        yield Check(part, State.BAD, str(error))
    except OSError as error:
        said = f"{error.filename or part}: {error.strerror}"
        yield Check(part, State.BAD, said, "Give this user the right to read and write it.")
