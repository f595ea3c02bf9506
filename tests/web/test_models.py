"""The Model page, with the model that is shipped as an example and one trained on a small world."""

from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from playwright.sync_api import expect
from tests.learning.conftest import history, in_batches, world
from tests.web.conftest import ROOT, make_the_change, serving
from tests.web.test_pages import violations

from ringfence.access.principal import Role
from ringfence.adapters.artifacts import read_folder
from ringfence.analysis.decided_payments import PLACES, runs
from ringfence.decisions.decision import DecisionBatch
from ringfence.features.catalog import CATALOG
from ringfence.intake import event_json
from ringfence.learning.artifact import ModelOrigin, artifact_files, write_artifact
from ringfence.learning.data.dataset import dataset
from ringfence.learning.data.history import collect
from ringfence.learning.evaluate import compared, figures
from ringfence.learning.train import Plan, train
from ringfence.ports import DECISIONS
from ringfence.scoring.artifacts.manifest import Metric, Span
from ringfence.web.measure.importance import importance_of
from ringfence.web.measure.model_in_words import sentence, spans
from ringfence.web.measure.sampling import sample_of
from ringfence.web.measure.watching import compare, watch

SHIPPED = ROOT / "examples" / "sample-model"


def learned(folder: Path):
    """A model of the small world, and the world's log."""
    log = history(world(size=3000, days=40))
    data = dataset(collect(in_batches(log), CATALOG))
    trained = train(data, Plan(quick=True))
    measured = figures(data, trained.test, compared(data, trained), trained.plan.costs, rounds=5)
    origin = ModelOrigin("small-world", "2024-05-01T00:00:00Z", "ringfence train", CATALOG)
    write_artifact(folder, artifact_files(trained, data, origin, measured["model"], {}, b""))
    return read_folder(folder), log


def test_payments_that_thresholds_had_to_be_chosen_on_are_shown_once_and_said_to_be_the_test_set():
    shipped = read_folder(SHIPPED).manifest
    test = Span(start_ms=100, end_ms=200, rows=1000, frauds=100)
    of_test, earlier = (Span(start_ms=at, end_ms=199, rows=1000, frauds=100) for at in (101, 50))
    shared, apart = (
        spans(msgspec.structs.replace(shipped, spans={"test": test, "later": later}))
        for later in (of_test, earlier)
    )
    assert [(one.name, one.note) for one in shared] == [
        ("Test payments", "thresholds were chosen on these, too")
    ]
    assert [(one.name, one.note) for one in apart] == [("Test payments", ""), ("Payments for thresholds", "")]


def test_a_sentence_counts_what_the_figures_count():
    manifest = msgspec.structs.replace(
        read_folder(SHIPPED).manifest,
        spans={"test": Span(start_ms=0, end_ms=1, rows=1000, frauds=100)},
        metrics={
            "value_detected_at_bands": Metric(0.714),
            "share_challenged": Metric(0.05),  # 50, of which 40 genuine
            "precision_of_challenges": Metric(0.2),
            "share_reviewed": Metric(0.04),
            "share_declined": Metric(0.02),  # 60 stopped, of which 30 genuine
            "precision_at_bands": Metric(0.5),
        },
    )
    told = sentence(manifest)
    assert "stops 71 % of the money" in told
    assert (
        "bothers 7.8 % of genuine payments: 3.3 % are stopped, 4.4 % challenged" in told
    )  # 70, 30, 40 of 900
    assert sentence(msgspec.structs.replace(manifest, metrics={})) == ""


@pytest.fixture(scope="module")
def modelled(tmp_path_factory):
    """A server with two models, neither in force, and two thousand payments with labels."""
    folder = tmp_path_factory.mktemp("models")
    artifact, log = learned(folder / "small")
    with serving(folder / "data", with_keys=True) as served:
        key = {"authorization": f"Bearer {served.key(Role.ADMIN)}"}
        lines = b"\n".join(msgspec.json.encode(event_json(log, row)) for row in range(len(log)))
        kind = key | {"content-type": "application/x-ndjson"}
        httpx.post(
            f"{served.url}/v1/events/batch", content=lines, headers=kind, timeout=60
        ).raise_for_status()
        for one in (artifact, read_folder(SHIPPED)):
            served.server.models.keep(one)
        served.headers, served.small, served.shipped = key, artifact.digest, read_folder(SHIPPED).digest
        yield served


def signed_in(served, watched, role, path):
    page = watched.open(served.url + path)
    page.get_by_label("API key").fill(served.key(role))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{path}")
    return page


def pay(served, count, name):
    for number in range(count):
        payment = {
            "transaction_id": f"{name}-{number}",
            "event_time": 1_709_000_000_000 + number,
            "amount": 5 + number,
            "currency": "EUR",
            "card_id": f"c{number}",
            "merchant_id": "m1",
        }
        httpx.post(
            f"{served.url}/v1/decisions", json=payment, headers=served.headers, timeout=60
        ).raise_for_status()


def after_the_sheet(page, name):
    """Ask for a change, read what it would do, and make it."""
    page.get_by_role("button", name=name).click()
    make_the_change(page, name)


def test_a_model_is_put_in_force_challenged_compared_and_rolled_back(modelled, watched):
    page = signed_in(modelled, watched, Role.ADMIN, "/models")
    expect(page.locator("main tbody tr")).to_have_count(2)
    page.get_by_role("link", name=modelled.shipped).click()
    after_the_sheet(page, "Promote")
    expect(page.locator(".head .badge")).to_have_text("champion")
    page.goto(f"{modelled.url}/models/{modelled.small}")
    page.get_by_role("button", name="Run in shadow").click()
    expect(page.locator("#sheet")).to_contain_text("No outcome changes.")
    assert violations(page) == []
    make_the_change(page, "Run in shadow")
    expect(page.locator(".head .badge")).to_have_text("challenger")
    pay(modelled, 12, "heard")
    page.goto(f"{modelled.url}/models")
    rows = page.locator("table:has(caption:has-text('Champion and challengers')) tbody tr")
    expect(rows).to_have_count(2)
    for row, told in enumerate(((modelled.shipped, "champion", "12"), (modelled.small, "challenger", "12"))):
        for column, text in enumerate(told):
            expect(rows.nth(row).locator("td").nth(column)).to_have_text(text)
    page.goto(f"{modelled.url}/decisions/heard-3")
    expect(page.get_by_text("challenger")).to_be_visible()
    page.goto(f"{modelled.url}/models/{modelled.small}")
    page.get_by_label("Share of customers").fill("25")
    after_the_sheet(page, "Roll out")
    expect(page.locator(".head .badge")).to_have_text("rollout, 25 % by customer")
    after_the_sheet(page, "Promote")
    expect(page.locator(".head .badge")).to_have_text("champion")
    page.goto(f"{modelled.url}/models/{modelled.shipped}")
    after_the_sheet(page, "Promote")
    expect(page.locator(".head .badge")).to_have_text("champion")
    page.get_by_role("button", name="Retire").click()
    expect(page.locator("#sheet")).to_contain_text("Outcome changes")  # it decides now
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator(".head .badge")).to_have_text("champion")
    page.goto(f"{modelled.url}/models/{modelled.small}")
    expect(page.locator(".head .badge")).to_have_count(0)


def test_curves_drift_and_importance_are_on_the_page_and_can_be_read_as_tables(modelled, watched):
    page = signed_in(modelled, watched, Role.ANALYST, f"/models/{modelled.small}")
    expect(page.get_by_text("payments sampled from the whole log")).to_be_visible()
    titles = page.locator(".charts h3")
    expect(titles.nth(0)).to_have_text("Precision by recall")
    assert titles.count() == 12  # six of training, six of the store
    expect(page.locator("h3:has-text('Drift by day')")).to_be_visible()
    expect(page.locator("figure.chart canvas").first).to_be_visible()
    assert page.locator("figure.chart:not(:has(canvas)):not(:has(svg))").count() == 0
    page.locator("details.as-table summary").first.click()
    expect(page.locator("details.as-table td").first).to_be_visible()
    assert "attributes" not in page.locator(".wide-names li").first.inner_text()
    assert page.get_by_role("button", name="Promote").count() == 0
    for _ in range(2):
        assert violations(page) == []
        page.get_by_role("button", name="Theme").click()


def test_a_model_without_curves_is_measured_on_stored_payments(modelled, watched):
    page = signed_in(modelled, watched, Role.ANALYST, f"/models/{modelled.shipped}")
    expect(page.get_by_text("No curves were imported with this model.")).to_be_visible()
    expect(page.get_by_text("payments sampled from the whole log")).to_be_visible()
    expect(page.get_by_text("This model has no reference to compare with.")).to_be_visible()


def test_who_may_only_look_changes_no_model(modelled, visitor):
    client = visitor(modelled, Role.ANALYST)
    for deed in ("promote", "retire"):
        assert client.post(f"/models/{modelled.small}/{deed}", data={"role": "champion"}).status_code == 403


def test_what_is_watched_is_what_the_library_says(modelled):
    dashboard = modelled.dashboard
    artifact = dashboard.artifact(modelled.small)
    sample = sample_of(dashboard, artifact.manifest.inputs, artifact.manifest.zone)
    found = watch(dashboard, artifact)
    assert found.payments == len(sample)
    assert found.curves.frauds <= (sample.fraud == 1).sum()
    assert sum(found.curves.good) + sum(found.curves.fraud) == found.curves.payments
    assert sum(count for count, _ in found.asked) == found.payments
    assert max(found.curves.precision.y) > 0.5  # it has learned this very world
    assert [day.day_ms for day in found.days] == sorted({day.day_ms for day in found.days})


def test_a_long_log_is_sampled_from_all_over_it(modelled):
    log = modelled.dashboard.store.log
    taken = np.concatenate([decisions.table.column("offset").to_numpy() for decisions, _ in runs(log, 160)])
    assert len(taken) == 160
    assert (np.diff(taken) > 0).all()
    newest = DecisionBatch.decode(list(log.read(DECISIONS))[-1].payload).table.column("offset")
    assert taken[-1] == newest[-1].as_py()  # a model that was promoted a moment ago is heard
    assert len(np.unique(taken * PLACES // (taken[-1] + 1))) > 0.9 * PLACES
    for decisions, payments in runs(log, 160):
        ids = decisions.table.column("transaction_id").to_pylist()
        assert payments.column("transaction_id").to_pylist() == ids


def test_importance_is_told_in_shares_of_inputs():
    shares = importance_of(read_folder(SHIPPED))
    assert sum(share for _, share in shares) == pytest.approx(1)
    assert [share for _, share in shares] == sorted((share for _, share in shares), reverse=True)


def test_nobody_is_compared_where_nobody_is_in_force(site):
    assert compare(site.dashboard) == []
