"""Which parts of a server each group of routes and pages gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ringfence.api import services as groups

if TYPE_CHECKING:
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
        groups.FrontServices(
            **common,
            connections=server.connections,
            proxies=server.proxies,
            metrics=server.metrics,
            tracing=server.tracing,
            charge=server.charge,
            decider=server.decider,
            hot=server.hot,
        ),
        groups.EventServices(
            **common,
            charge=server.charge,
            decider=server.decider,
            aside=server.aside,
            slots=server.slots,
        ),
        groups.RecordServices(
            **common,
            lake=server.lake,
            annotations=server.annotations,
            stored=server.stored,
            answers=server.answers,
            hindsight=server.hindsight,
            decider=server.decider,
            pipeline=server.runner.pipeline,
            library=session.library,
            view=session.view,
            spec=session.definitions.spec,
            hub=server.hub,
        ),
        groups.RuleServices(
            **common,
            desk=server.desk,
            rules=server.rules,
            lake=server.lake,
            check=session.check,
            warnings_on=session.warnings_on,
            change_limits=lambda: session.change_limits,
        ),
        groups.TrialServices(
            **common,
            rules=server.rules,
            stored=server.stored,
            trials=server.trials,
            jobs=server.jobs,
            tries=server.tries,
        ),
        groups.ListServices(**common, lists=server.lists, annotations=server.annotations),
        groups.ModelServices(
            **common,
            models=server.models,
            changing=server.changing_models,
            impact=session.impact,
            confirming=session.confirming,
        ),
        groups.CaseServices(
            **common,
            cases=server.cases,
            case_book=server.case_book,
            annotations=server.annotations,
            open_case=server.open_case,
            deliver_cases=server.deliver_cases,
        ),
        groups.BusServices(
            **common,
            outboxes=server.outboxes,
            case_book=server.case_book,
            places=server.places,
            stopping=server.stopping,
        ),
        groups.AnswerServices(**common, decider=server.decider, outboxes=server.outboxes, later=server.later),
        groups.AccessServices(
            **common, approvals=server.approvals, sessions=server.sessions, provider=server.provider
        ),
        groups.QuarantineServices(**common, decider=server.decider, replay_desk=session.replay_desk),
        groups.AuditServices(**common, trail=server.trail),
        groups.HealthServices(
            **common,
            is_ready=lambda: server.ready,
            versions=lambda: server.versions,
            decider=server.decider,
            runner=server.runner,
            originals=session.originals,
            following=server.following,
            backups=server.backups,
            sources=server.sources,
            objectives=server.objectives,
            metrics=server.metrics,
            places=server.places,
        ),
        groups.PageServices(
            **common,
            sessions=server.sessions,
            jobs=server.jobs,
            annotations=server.annotations,
            decider=server.decider,
            runner=server.runner,
            listeners=server.listeners,
            streams=server.streams,
            tend_cases=server.tend_cases,
            read_model=server.models.stored.registry.read,
        ),
    ]
    return {type(one): one for one in made}
