"""The watch over the model in force, from stored decisions to news in the log."""

import asyncio
from contextlib import closing

import httpx
import msgspec
import pytest
from tests import artifacts, spine

from ringfence.access.authoriser import Authoriser
from ringfence.adapters.artifacts import read_folder
from ringfence.api.app import build
from ringfence.api.monitoring.model_watcher import ModelWatcher
from ringfence.api.server import Server
from ringfence.api.settings import ServeSettings
from ringfence.api.upkeep import UpkeepWatcher
from ringfence.bus.catalog import MODEL_PROPOSED, MODEL_WEAKENED, tables
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.deciding.session import open_session
from ringfence.compose.folder.approvals import open_approvals
from ringfence.compose.upkeep.watching import measure, watch_book
from ringfence.desks.model_desk import Signed
from ringfence.events.model import Kind
from ringfence.learning.watching.model_news import Proposal, told_of
from ringfence.learning.watching.standing import Rivalry, Standing
from ringfence.ports import MODEL_NEWS
from ringfence.rulebook.desk import Who
from ringfence.saving import Snapshotting
from ringfence.scoring.artifacts.manifest import Bands, Metric
from ringfence.web import Site

WHO = Signed("mira", 1, "better")
MINUTE_MS = 60_000
NOW_MS = spine.START_MS + 10 * 86_400_000


@pytest.fixture
def session(tmp_path):
    with open_session(tmp_path / "data", load_definitions(None, None), Snapshotting()) as opened:
        yield opened


def model(session, tmp_path, seed):
    folder = tmp_path / f"model-{seed}"
    arrays = artifacts.grow(3, seed, spread=60.0)
    artifacts.make(folder, arrays=arrays, bands=Bands(challenge_at=0.99), spec=session.definitions.spec)
    artifact = read_folder(folder)
    session.model_desk().keep(artifact)
    return artifact.digest


def labels(frauds):
    return [
        {
            "kind": Kind.LABEL,
            "event_id": f"label-{number}",
            "event_time_ms": spine.START_MS + number * MINUTE_MS + 30 * MINUTE_MS,
            "transaction_id": f"tx-{number}",
            "label": True,
            "label_source": "chargeback",
        }
        for number in frauds
    ]


def published(session):
    log = session.store.log
    found = [table for batch in log.read(MODEL_NEWS) for table in tables(MODEL_NEWS, [batch], log, "here")]
    return [event for offsets, table in found for event in table.events(list(range(len(offsets))))]


def test_a_champion_below_its_challenger_is_news_once_and_only_by_mature_labels(session, tmp_path):
    champion, challenger = (model(session, tmp_path, seed) for seed in (1, 2))
    desk = session.model_desk()
    desk.promote(champion, WHO)
    desk.challenge(challenger, WHO)
    payments = [row for row in spine.payments(600) if "kind" not in row]
    _, step = session.runner.ingest(spine.batch(payments))
    said = step.decisions.table.column("challengers").to_pylist()
    ids = step.decisions.table.column("transaction_id").to_pylist()
    best = sorted(range(len(ids)), key=lambda row: -said[row][0])
    numbers = [int(ids[row].removeprefix("tx-")) for row in best[:40]]
    session.runner.ingest(spine.batch(labels(numbers)))  # what the challenger suspects is fraud
    found = measure(session.store, NOW_MS)
    assert found.model == champion
    assert found.payments + found.waiting == 600
    assert found.maturity_ms == 30 * MINUTE_MS
    against = {one.against: one.state for one in found.rivalries}
    assert against[challenger] == "below"
    assert "rules" in against
    told = UpkeepWatcher(session.store.folder, desk)
    (warning,) = told.warnings()
    assert challenger in warning
    gauges = {one.name: one.samples for one in told.collect()}
    below = {one.labels["against"]: one.value for one in gauges["ringfence_model_below"]}
    assert (below[challenger], set(below)) == (1.0, {one.against for one in found.rivalries})
    teller = ModelWatcher(session, desk)
    teller.deliver()
    teller.deliver()
    measure(session.store, NOW_MS + 3 * 86_400_000)  # it lasts: no more news
    teller.deliver()
    news = [one for one in published(session) if one["data"]["against"] == challenger]
    assert [(one["type"], one["subject"]) for one in news] == [(MODEL_WEAKENED, champion)]
    assert news[0]["data"]["high"] < 0
    desk.promote(challenger, WHO)  # what was found of the one before is no warning about this one
    assert told.warnings() == []


BETTER = Proposal("", "made", NOW_MS, "", 0.6, 0.4, Metric(0.2, 0.1, 0.3), "above", 500, 40)


@pytest.mark.parametrize(
    ("promotes", "change", "in_force"),
    [
        (True, {}, "new"),
        (False, {}, "old"),
        (True, {"state": "level"}, "old"),
        (True, {"problems": ("it is no better than chance",)}, "old"),
        (True, {"against": "another"}, "old"),
    ],
    ids=["told to", "not told to", "as good", "unsound", "another champion by now"],
)
def test_a_proposal_is_news_with_what_it_would_change_and_decides_only_if_told_and_better(
    session, tmp_path, promotes, change, in_force
):
    old, new = (model(session, tmp_path, seed) for seed in (1, 2))
    desk = session.model_desk()
    desk.promote(old, WHO)
    session.runner.ingest(spine.batch(spine.payments(60)))
    one = msgspec.structs.replace(BETTER, model=new, **{"against": old} | change)
    watch_book(session.store.folder).propose(one)
    teller = ModelWatcher(session, desk, promotes=promotes)
    teller.deliver()
    teller.deliver()
    assert desk.active().champion == {"old": old, "new": new}[in_force]
    [event] = published(session)
    assert (event["type"], event["subject"], event["data"]["changed"]) == (MODEL_PROPOSED, new, 0.0)
    assert ("put in force" in event["data"]["note"]) == promotes
    assert told_of(session.store.log, "proposed") == {new}


def test_beyond_the_limits_of_a_change_a_proposal_waits_for_somebody(session, tmp_path):
    old = model(session, tmp_path, 1)
    folder = tmp_path / "strict"
    artifacts.make(folder, bands=Bands(decline_at=0.0), spec=session.definitions.spec)
    session.model_desk().keep(strict := read_folder(folder))
    desk = session.model_desk()
    desk.promote(old, WHO)
    session.runner.ingest(spine.batch(spine.payments(300)))
    watch_book(session.store.folder).propose(replace_of(strict.digest, old))
    ModelWatcher(session, desk, promotes=True).deliver()
    assert desk.active().champion == old
    [event] = published(session)
    assert event["data"]["changed"] > 0.5
    assert "not put in force" in event["data"]["note"]


def test_where_models_need_a_second_person_a_proposal_is_told_and_put_in_force_once_approved(
    session, tmp_path, monkeypatch
):
    old, new = (model(session, tmp_path, seed) for seed in (1, 2))
    desk = session.model_desk()
    desk.promote(old, WHO)
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["models"]')
    session.runner.ingest(spine.batch(spine.payments(60)))
    watch_book(session.store.folder).propose(replace_of(new, old))
    teller = ModelWatcher(session, desk, promotes=True)
    teller.deliver()
    assert "waits for A-1" in published(session)[0]["data"]["note"]
    assert told_of(session.store.log, "proposed") == {new}
    assert teller.promote_approved() == []
    assert desk.active().champion == old
    approvals = open_approvals(session.store.folder)
    with closing(approvals.book):
        approvals.decide("A-1", Who("key:ben", session.clock.now_ms()), approve=True)
        again = ModelWatcher(session, desk, promotes=True)  # another process, which has told nothing itself
        again.deliver()
        assert again.promote_approved() == [new]
        assert again.promote_approved() == []
        assert [one.state for one in approvals.list(session.clock.now_ms())] == ["done"]
    assert desk.active().champion == new
    assert len(published(session)) == 1


def test_an_approval_for_what_is_no_more_is_tried_once(session, tmp_path, monkeypatch):
    old, new, third = (model(session, tmp_path, seed) for seed in (1, 2, 3))
    desk = session.model_desk()
    desk.promote(old, WHO)
    monkeypatch.setenv("RINGFENCE_FOUR_EYES", '["models"]')
    watch_book(session.store.folder).propose(replace_of(new, old))
    teller = ModelWatcher(session, desk, promotes=True)
    teller.deliver()
    approvals = open_approvals(session.store.folder)
    with closing(approvals.book):
        approvals.decide("A-1", Who("key:ben", session.clock.now_ms()), approve=True)
        desk.challenge(third, WHO)  # what was approved had no challenger
        assert [teller.promote_approved() for _ in range(3)] == [[]] * 3
        states = [one.state for one in approvals.list(session.clock.now_ms())]
    assert states == ["waiting", "approved"]
    assert desk.active().champion == old


def replace_of(new, old):
    return msgspec.structs.replace(BETTER, model=new, against=old)


def test_the_page_of_a_model_shows_how_it_stands_and_that_it_was_proposed(session, tmp_path):
    champion, other = (model(session, tmp_path, seed) for seed in (1, 2))
    session.model_desk().promote(champion, WHO)
    book = watch_book(session.store.folder)
    below = Rivalry("rules", "average_precision", 0.21, 0.34, Metric(-0.13, -0.2, -0.05), "below", NOW_MS)
    book.keep(Standing(champion, NOW_MS, payments=512, frauds=40, rivalries=[below]))
    book.propose(replace_of(other, champion))

    async def pages():
        server = Server(session, ServeSettings(), Authoriser(None))
        dashboard = Site(server)
        server.start()
        transport = httpx.ASGITransport(build(server, None, dashboard))
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return [(await client.get(f"/models/{one}")).text for one in (champion, other)]
        finally:
            await dashboard.stop()
            await server.stop()

    first, second = asyncio.run(pages())
    assert "512 payments with 40 frauds" in first
    assert ">below<" in first
    assert "0.340" in first
    assert "average precision 0.600 against 0.400" in second
    assert ">below<" not in second
