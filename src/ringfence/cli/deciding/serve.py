"""`ringfence serve`: the decision API on a store."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from ringfence.api.settings import ServeSettings
from ringfence.cli.deciding import streams
from ringfence.cli.terminal.log_stream import unhurried
from ringfence.cli.terminal.options import Data, Features, Model, Rules, definitions, folder
from ringfence.cli.terminal.screen import say
from ringfence.compose.deciding.checks import ChecksBeside
from ringfence.compose.deciding.session import open_session
from ringfence.compose.folder.inquiries import InquiriesBeside
from ringfence.compose.following.followers import declare_all
from ringfence.compose.kafka import topic_browsers
from ringfence.compose.streams import is_topic
from ringfence.compose.tracing import metering_of, tracing_of
from ringfence.errors import InputError
from ringfence.follow.supervised_process import Beside
from ringfence.saving import Snapshotting
from ringfence.settings import load_settings, no_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ringfence.api.server import Server


def serve(
    data: Data = None,
    features: Features = None,
    rules: Rules = None,
    model: Model = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 chooses a free one. [default: 8000]")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Topics and streams read beside HTTP; repeat it. [default: sources of ringfence.toml]",
            metavar="kafka://BROKER:9092/TOPIC|kinesis://STREAM|s3://BUCKET/PREFIX",
        ),
    ] = None,
    deadline_ms: Annotated[
        int | None, typer.Option(help="When an answer is due at the latest. [default: 250]")
    ] = None,
) -> None:
    """Serve decisions over HTTP. Every answer is durable before it is sent.

    The dashboard is at the same address. A second process beside it, of low priority, keeps the dashboard's
    index and the analysis tables up (`ringfence follow`); it is started and ended with this one. Anything
    else is set in the environment as RINGFENCE_SERVE_<NAME>. On any address but loopback it asks for keys
    (`ringfence keys create`) or tokens.

    Topics of Kafka and streams of Kinesis are read from where they were left, each record decided once;
    /readyz and /metrics tell their lag. With kafka_control in ringfence.toml the rules, models and lists that
    people change here go to the control topic of a Flink job.

    Example: ringfence serve --port 8000

    Example: ringfence serve --source kafka://localhost:9092/payments,labels
    """
    from ringfence.api import serving  # noqa: PLC0415 (most of a second that other commands need not wait)
    from ringfence.api.hot.decoding_aside import DecodingAside  # noqa: PLC0415 (likewise)
    from ringfence.api.http.sockets import bound  # noqa: PLC0415 (likewise)
    from ringfence.web import Site  # noqa: PLC0415 (likewise)

    settings = _settings({"host": host, "port": port, "deadline_ms": deadline_ms})
    where = folder(data)
    project = load_settings()
    snapshotting = Snapshotting(project.snapshot_every_events, project.snapshot_every_ms)
    # Everything that can be wrong with what was asked comes before the first file is made.
    with unhurried():
        with bound(settings.host, settings.port) as sockets, tracing_of("ringfence") as tracing:
            metering = metering_of("ringfence")
            found = definitions(features, rules, model, observing=True)
            with (
                closing(serving.authoriser_of(where, settings)) as authoriser,
                open_session(
                    where,
                    found,
                    snapshotting,
                    require_approval=project.rules_need_approval,
                    patient=False,
                ) as opened,
                closing(ChecksBeside(where, found.spec, opened.checks)) as checks,
                closing(DecodingAside(where, opened.tokenizer)) as aside,
                closing(InquiriesBeside(where)) as inquiries,
            ):
                aside.start_soon()
                session = replace(opened, checks=checks)
                for warning in session.warnings:
                    say(f"Warning: {warning}")
                for notice in session.notices:
                    say(f"Note: {notice}")
                declare_all(session.store)
                session.runner.saving.heard = lambda problem: say(f"Warning: {problem}")
                addresses = list(project.sources) if source is None else source
                named = _of_kafka([*addresses, project.kafka_sink, project.kafka_control])
                browsers = topic_browsers(named, session.tokenizer)
                with streams.opened(session, addresses, project.mapping) as sources:
                    serving.serve(
                        session,
                        settings,
                        authoriser,
                        sockets,
                        lambda url: say(f"Deciding at {url} (Ctrl-C ends it)."),
                        lambda server: Site(server, browsers),
                        _followers(where) if settings.follow else None,
                        sources,
                        aside,
                        tracing,
                        metering,
                        inquiries,
                    )
        say("Stopped; everything that was answered is kept.")


def _of_kafka(addresses: list[str | None]) -> list[str]:
    return [one for one in addresses if one is not None and is_topic(one)]


def _followers(folder: Path) -> Callable[[Server], Beside]:
    """The process of the followers, of low priority, which ends with this one."""
    asked = ("follow", "--data", str(folder.absolute()), "--beside")

    def beside(server: Server) -> Beside:
        return Beside(
            [sys.executable, "-P", "-m", "ringfence.cli", *asked],
            "process of the followers",
            server.following.look,
            time.monotonic,
            Random(),  # noqa: S311 (spreads attempts)
            lambda problem: say(f"Warning: {problem}"),
        )

    return beside


def _settings(options: dict[str, Any]) -> ServeSettings:
    try:
        return ServeSettings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise InputError(f"{name}: {first['msg']} (an option, or RINGFENCE_SERVE_{name.upper()})") from None
    except SettingsError as error:
        raise InputError(no_json(ServeSettings, error)) from None
