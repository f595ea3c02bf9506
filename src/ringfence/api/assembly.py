"""Which parts of a server each group of routes and pages gets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ringfence.access.views import ViewDesk
from ringfence.api import services as groups
from ringfence.compose.messaging.mutes import mute_desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.api.server import Server


def services_for(server: Server) -> groups.Services:
    """An instance of each group, over the parts of this server."""
    session = server.session
    common: dict[str, Any] = {
        "clock": server.clock,
        "pools": server.pools,
        "settings": server.settings,
        "authoriser": server.authoriser,
        "store": session.store,
        "tokenizer": session.tokenizer,
    }
    made = [
        groups.Surroundings(**common),
        *_deciding(server, common),
        *_policy(server, common),
        *_people(server, common),
    ]
    return {type(one): one for one in made}


def _deciding(server: Server, common: dict[str, Any]) -> Iterator[groups.Surroundings]:
    """To have events decided, and to look at what has been."""
    yield groups.FrontServices(
        **common,
        connections=server.connections,
        proxies=server.proxies,
        metrics=server.metrics,
        tracing=server.tracing,
        charge=server.rate_limits.take,
        decider=server.decider,
        hot=server.hot,
    )
    yield groups.EventServices(
        **common,
        charge=server.rate_limits.take,
        decider=server.decider,
        aside=server.aside,
        slots=server.slots,
    )
    yield groups.RecordServices(
        **common,
        lake=server.lake,
        annotations=server.annotations,
        stored=server.stored,
        answers=server.answers,
        hindsight=server.hindsight,
        decider=server.decider,
        pipeline=server.runner.pipeline,
        library=server.session.library,
        view=server.session.view,
        spec=server.session.definitions.spec,
        hub=server.hub,
    )
    yield groups.QuarantineServices(**common, decider=server.decider, replay_desk=server.session.replay_desk)
    yield groups.HealthServices(
        **common,
        is_ready=lambda: server.ready,
        versions=lambda: server.versions,
        decider=server.decider,
        runner=server.runner,
        originals=server.session.originals,
        following=server.following,
        backups=server.backups,
        upkeep=server.upkeep,
        sources=server.sources,
        objectives=server.objectives,
        metrics=server.metrics,
        places=server.places,
    )


def _policy(server: Server, common: dict[str, Any]) -> Iterator[groups.Surroundings]:
    """To change what decides."""
    yield groups.RuleServices(
        **common,
        desk=server.desk,
        rules=server.rules,
        lake=server.lake,
        check=server.session.check,
        warnings_on=server.session.warnings_on,
        change_limits=lambda: server.session.change_limits,
    )
    yield groups.TrialServices(
        **common,
        rules=server.rules,
        stored=server.stored,
        trials=server.trials,
        jobs=server.jobs,
        tries=server.tries,
    )
    yield groups.ListServices(**common, lists=server.lists, annotations=server.annotations)
    yield groups.ModelServices(
        **common,
        models=server.models,
        changing=server.changing_models,
        impact=server.session.impact,
        confirming=partial(server.session.confirming, seals=server.seals),
    )


def _people(server: Server, common: dict[str, Any]) -> Iterator[groups.Surroundings]:
    """For those who work with decisions."""
    yield groups.CaseServices(
        **common,
        cases=server.cases.desk,
        case_book=server.cases.book,
        annotations=server.annotations,
        open_case=server.cases.open,
        deliver_cases=server.cases.deliver,
    )
    yield groups.BusServices(
        **common,
        outboxes=server.outboxes,
        inquiries=server.inquiries,
        case_book=server.cases.book,
        places=server.places,
        stopping=server.stopping,
        mutes=mute_desk(server.session.store, server.lake, server.outboxes.alerts, server.session.tokenizer),
    )
    yield groups.AnswerServices(
        **common, decider=server.decider, outboxes=server.outboxes, later=server.background.later
    )
    yield groups.AccessServices(
        **common, approvals=server.approvals, sessions=server.sessions, provider=server.provider
    )
    yield groups.ViewServices(
        **common, views=ViewDesk(server.views, server.session.tokenizer, server.authoriser.person)
    )
    yield groups.PrivacyServices(**common, inquiries=server.inquiries, trail=server.trail)
    yield groups.AuditServices(**common, trail=server.trail)
    yield groups.PageServices(
        **common,
        sessions=server.sessions,
        jobs=server.jobs,
        annotations=server.annotations,
        decider=server.decider,
        runner=server.runner,
        listeners=server.listeners,
        streams=server.streams,
        tend_cases=server.cases.tend,
        read_model=server.models.stored.registry.read,
    )
