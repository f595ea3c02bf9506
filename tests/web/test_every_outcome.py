"""Every outcome by every source of a reason: each page, each answer and each command says why."""

import html
import json
import re
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from tests.artifacts import linear_graph, packed, write
from tests.web.conftest import serving

from ringfence.access.principal import Role
from ringfence.adapters.artifacts import read_folder
from ringfence.analysis.history import Hindsight
from ringfence.api.services import RecordServices
from ringfence.cli import execute
from ringfence.desks.model_desk import Signed
from ringfence.features.catalog import CATALOG
from ringfence.scoring.artifacts.artifact import Artifact
from ringfence.scoring.artifacts.manifest import LINEAR, MANIFEST, MODEL, Appraisal, Bands, digest_of

RULES = Path(__file__).parent / "every_rules.yaml"
BANDS = Bands(challenge_at=0.005, review_at=0.04, decline_at=0.5)
DAY_MS = 86_400_000
START_MS = 1_735_689_600_000

CASES = {
    "none": ({}, "approve", "Approved: no rule fired; model score 0 of 100 ("),
    "few": ({"want": "few"}, "approve", "rule “Few points” (few_points) gave 5 points, too few to act"),
    "allow": (
        {"card": "allowed-1", "want": "review"},
        "approve",
        "Approved by rule “On an allow list” (allowed), which sets aside rule “Asks to review”",
    ),
    "watch": (
        {"card": "watched-1"},
        "review",
        "Reviewed by rule “On a watch list” (watched); model score 0 of 100",
    ),
    "block": ({"card": "blocked-1"}, "decline", "Declined by rule “On a block list” (blocked)"),
    "rule-challenge": (
        {"want": "challenge"},
        "challenge",
        "Challenged by rule “Asks to challenge” (asks_challenge); model score 0",
    ),
    "rule-review": (
        {"want": "review"},
        "review",
        "Reviewed by rule “Asks to review” (asks_review); model score 0",
    ),
    "rule-decline": (
        {"want": "decline", "amount": 200_000},
        "decline",
        "Declined by rule “Asks to decline” (asks_decline)",
    ),
    "points": (
        {"want": "points"},
        "review",
        "Reviewed by points: rule “Many points” (many_points) add up to 70, review from 60",
    ),
    "typology-challenge": (
        {"sign": "challenge"},
        "challenge",
        "Challenged by typology Mild scenario (score 70 of 100, acts from 60)",
    ),
    "typology-review": ({"sign": "review"}, "review", "Reviewed by typology Middling scenario"),
    "typology-decline": (
        {"sign": "decline", "amount": 200_000},
        "decline",
        "Declined by typology Grave scenario",
    ),
    "model-challenge": (
        {"amount": 300},
        "challenge",
        (
            "Challenged by the model: 0.67 % fraud probability, threshold 0.5 %; mainly an amount that "
            "raises the risk"
        ),
    ),
    "model-review": (
        {"amount": 600},
        "review",
        "Reviewed by the model: 12 % fraud probability, threshold 4 %; mainly an amount that raises the risk",
    ),
    "model-decline": (
        {"amount": 200_001},
        "decline",
        "Declined by the model: 100 % fraud probability, threshold 50 %",
    ),
    "model-and-rule": (
        {"amount": 600, "want": "review"},
        "review",
        "Reviewed by rule “Asks to review” (asks_review) and by the model: 12 %",
    ),
    "late": ({"at": -3 * DAY_MS}, "approve", "Approved: no rule fired"),
}


def payment(name, *, card="card-1", amount=10, want=None, sign=None, at=0):
    attributes = {key: value for key, value in (("want", want), ("sign", sign)) if value}
    return {
        "transaction_id": name,
        "event_time": START_MS + 10 * DAY_MS + at,
        "amount": amount,
        "currency": "EUR",
        "card_id": card,
        "attributes": attributes,
    }


def lists():
    for kind in ("block", "watch", "allow"):
        yield {
            "kind": "list_entry",
            "event_id": kind,
            "event_time": START_MS,
            "list_name": kind,
            "list_kind": kind,
            "entity_type": "card",
            "entity_id": f"{kind}ed-1",
        }


def linear(folder, **more):
    """A model whose probability rises with the amount alone."""
    arrays = {name: np.array([one]) for name, one in (("fill", 0.0), ("mean", 0.0), ("scale", 1.0))}
    arrays |= {"weight": np.array([0.01]), "bias": np.array([-8.0])}
    files = {MODEL: linear_graph(arrays, 1), LINEAR: packed(arrays)}
    write(folder, files, inputs=("amount",), spec=CATALOG, algorithm="logistic", bands=BANDS, **more)
    return read_folder(folder)


def elsewhere(artifact):
    """The same model, at an address where nobody answers."""
    parameters = {
        "url": "http://127.0.0.1:9/invocations",
        "serves": artifact.digest,
        "deadline_ms": 50,
        "tries": 1,
    }
    manifest = msgspec.structs.replace(artifact.manifest, algorithm="remote", parameters=parameters, files={})
    text = manifest.to_json()
    return Artifact(manifest, digest_of(text), {MANIFEST: text})


def decide(served, payments, headers=None):
    answers = {}
    for one in payments:
        answer = httpx.post(f"{served.url}/v1/decisions", json=one, headers=headers, timeout=60)
        answer.raise_for_status()
        answers[one["transaction_id"]] = answer.json()
    return answers


@contextmanager
def made(folder, **options):
    """A server that has decided each case, the control group and a failed model included; its answers."""
    artifact = linear(folder / "model")
    with serving(folder / "data", rules=RULES, **options) as served:
        headers = {"authorization": f"Bearer {served.key(Role.ADMIN)}"} if served.keys else {}
        kind = {"content-type": "application/x-ndjson"} | headers
        lines = "\n".join(json.dumps(one) for one in lists())
        httpx.post(
            f"{served.url}/v1/events/batch", content=lines, headers=kind, timeout=60
        ).raise_for_status()
        models = served.server.models
        for one in (artifact, elsewhere(artifact)):
            models.keep(one)
        models.promote(artifact.digest, Signed("tester", 0))
        asked = [payment(name, **given) for name, (given, _, _) in CASES.items()]
        answers = decide(served, asked, headers)
        spared = decide(served, [payment(f"control-{n}", want="decline") for n in range(12)], headers)
        free = next(name for name, one in spared.items() if one["outcome"] == "approve")
        answers["control"] = spared[free]
        models.promote(elsewhere(artifact).digest, Signed("tester", 0))
        answers |= decide(served, [payment("failed"), payment("failed-rule", want="challenge")], headers)
        served.answers, served.folder, served.free = answers, folder, free
        yield served


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    with made(tmp_path_factory.mktemp("every")) as served:
        yield served


EXPECTED = {name: (name, outcome, said) for name, (_, outcome, said) in CASES.items()} | {
    "control": (
        None,
        "approve",
        "Approved as one of the control group: would have been declined by rule “Asks",
    ),
    "failed": ("failed", "review", "Reviewed because it was decided without the model"),
    "failed-rule": ("failed-rule", "review", "Reviewed because it was decided without the model"),
}


def text_of(answer):
    assert answer.status_code == 200, (answer.url, answer.status_code, answer.text[:500])
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


@pytest.mark.parametrize("case", EXPECTED)
def test_a_decision_says_why_on_every_page(every, case):
    name, outcome, said = EXPECTED[case]
    name = name or every.free
    given = every.answers[case]
    assert given["outcome"] == outcome
    assert outcome == "approve" or all(reason["analyst"] for reason in given["reasons"])
    assert outcome == "approve" or given["reasons"], "stopped without a word"
    with httpx.Client(base_url=every.url, timeout=60) as client:
        page = text_of(client.get(f"/decisions/{name}"))
        assert said in page
        assert (
            "No rule fired." not in page
            or not given["shadow_rules"]
            or not any(reason["rule"] not in ("model", "degraded") for reason in given["reasons"])
        )
        for reason in given["reasons"]:
            assert reason["analyst"] in page
        part = text_of(client.get(f"/explained/{name}"))
        assert "Faint scenario" in part
        for rule in (reason["rule"] for reason in given["reasons"]):
            assert rule in ("model", "degraded") or rule in part
        csrf = {"x-csrf-token": client.get("/session").json()["csrf"]}
        full = client.post(f"/explained/{name}", headers=csrf)
        for _ in range(1200):
            told = text_of(full)
            if "Faint scenario" in told:
                break
            time.sleep(0.05)
            job = re.search(r"/explanations/[0-9a-f-]+", full.text)
            assert job, full.text
            full = client.get(job[0])
        assert "Faint scenario" in told
        for path in (
            f"/decisions?outcome={outcome}",
            "/entities/card/card-1",
            f"/streams/decisions?key={name}",
        ):
            text_of(client.get(path))
        told = client.get(f"/v1/decisions/{name}").json()["decision"]
        assert told == given
        for query in ("", "?full=true"):
            one = client.get(f"/v1/decisions/{name}/explanation{query}").json()
            assert said in one["verdict"]


def test_the_command_line_says_the_same(every, capsys):
    for name in ("model-challenge", "watch", "typology-review", "failed", every.free):
        for command in ("decision", "explain"):
            assert execute([command, name, "--data", str(every.folder / "data")]) == 0
            told = " ".join(capsys.readouterr().out.split())
            case = "control" if name == every.free else name
            assert EXPECTED[case][2] in told


def test_where_the_score_and_the_outcome_disagree_it_says_what_the_score_is(every):
    with httpx.Client(base_url=every.url, timeout=60) as client:
        assert "of 100: points of the rules that fired" in text_of(client.get("/decisions/points"))
        assert "of 100: the model's fraud probability" in text_of(client.get("/decisions/watch"))
        assert "of 100: no rule fired" in text_of(client.get("/decisions/failed"))


def test_without_this_rule_is_told_of_the_lists_at_the_time_of_the_payment(every):
    """A card that is put on a block list afterwards was still only reviewed."""
    services = every.dashboard.services
    records = services[RecordServices]
    quick = records.hindsight
    with httpx.Client(base_url=every.url, timeout=60) as client:
        decide(every, [payment("before-block", card="later", want="review")])
        later = {"event_id": "later", "entity_id": "later", "event_time": START_MS + 20 * DAY_MS}
        client.post("/v1/events", json=next(lists()) | later).raise_for_status()
        for hindsight in (quick, Hindsight(every.dashboard.store.log, 0, most=0)):
            services[RecordServices] = replace(records, hindsight=hindsight)
            told = client.get("/v1/decisions/before-block/explanation").json()
            [rule] = [one for one in told["rules"] if one["id"] == "asks_review"]
            assert rule["outcome_without"] != "decline"
            page = text_of(client.get("/explained/before-block"))
            assert "Without this rule: decline" not in page
            changed = "Re-evaluated today: blocked would come out otherwise"
            assert (changed in page) == (hindsight is not quick)
            assert ("profiles as of the payment." in page) == (hindsight is quick)
            assert ("as of now, not as of the payment" in page) == (hindsight is not quick)
    services[RecordServices] = records


def test_an_amount_stands_beside_what_is_usual(every):
    """Six payments of 50 and one of 445 by the same customer: 8.9 times the usual."""
    usual = [payment(f"usual-{n}", amount=50, card="steady", at=n * 1000) for n in range(6)]
    high = payment("unusual", amount=445, card="steady", at=DAY_MS)
    decide(every, [one | {"customer_id": "steady"} for one in (*usual, high)])
    with httpx.Client(base_url=every.url, timeout=60) as client:
        page = text_of(client.get("/decisions/unusual"))
    assert "about 8.9 × the customer's usual (30 days): 50.00 EUR" in page


def test_the_pages_of_models_say_what_would_change_and_which_are_not_worth_it(every):
    models = every.server.models
    sound = models.active().champion
    other = next(digest for digest in models.stored.registry.digests() if digest != sound)
    with httpx.Client(base_url=every.url, timeout=60) as client:
        text_of(client.get("/models"))
        for digest in (sound, other):
            text_of(client.get(f"/models/{digest}"))
        for _ in range(1200):
            told = text_of(client.get(f"/models/{other}/impact"))
            if "Re-evaluating" not in told:
                break
            time.sleep(0.05)
        assert re.search(r"of \d+ payments in [\d.]+ days", told)
        assert "Outcome Now After Payments" in told
        sheet = text_of(client.get(f"/models/{other}/promotion?role=rollout&share=10"))
        assert "nothing has changed yet" in sheet
        assert models.active().champion == sound


def test_a_page_forces_nothing_unasked(every, tmp_path):
    models = every.server.models
    poor = linear(tmp_path / "poor", appraisal=Appraisal(problems=("it is no better than chance",)))
    models.keep(poor)
    before = models.active()
    with httpx.Client(base_url=every.url, timeout=60) as client:
        assert "Do not promote: it is no better than chance" in text_of(client.get(f"/models/{poor.digest}"))
        csrf = {"x-csrf-token": client.get("/session").json()["csrf"]}
        sheet = client.get(f"/models/{poor.digest}/promotion?role=champion").text
        seal = re.search('name="seal" value="([^"]+)"', sheet)[1]
        form = {"role": "champion", "seal": seal, "confirm": seal[:8]}
        refused = client.post(f"/models/{poor.digest}/promote", data=form, headers=csrf)
        assert refused.status_code == 409
        assert "no better than chance" in refused.text
        assert models.active() == before
        form["force"] = "true"
        assert client.post(f"/models/{poor.digest}/promote", data=form, headers=csrf).status_code == 303
        assert models.active().champion == poor.digest
    models.promote(before.champion, Signed("tester", 0))
