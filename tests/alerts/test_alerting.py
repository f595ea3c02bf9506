"""Decisions become alerts: grouped, capped, quiet at night, never swallowed when they get worse."""

from random import Random

import msgspec
import pytest
from tests.bus.receivers import stopping
from tests.lakes import decisions, events, fill
from tests.waiting import until

from ringfence.adapters.outbox import AlertBook, Courier, OutboxFollower, Watch
from ringfence.alerts import model
from ringfence.alerts import wording as templates
from ringfence.alerts.book import Mute
from ringfence.alerts.events import Wording
from ringfence.alerts.policy import AlertPolicy, Severity, parse_policy
from ringfence.alerts.wording import SAMPLES, rendered
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.bus.subscription import Subscription
from ringfence.bus.words import words_of
from ringfence.errors import InputError
from ringfence.follow import catch_up

HOUR = 3_600_000
TEAM = AlertPolicy(team=("slack:#team",), window="1h")


def take(store, policy=TEAM, most=None):
    follower = OutboxFollower(store.log, store.folder, "log", lambda: HOUR, policy)
    if most:
        follower.most = most
    catch_up(store.log, follower)
    follower.close()


def ids(bus, **wanted):
    return sorted(one.id for one in bus.letters(limit=1000, **wanted))


def test_one_alert_stands_for_all_declines_of_a_card_in_the_window(store, bus):
    fill(store, batches=6)
    take(store)
    found = AlertBook(bus.database).alerts()
    assert sorted((one.entity_id, one.typology, one.severity) for one in found) == [
        (f"c{n}", "velocity", "high") for n in range(3)
    ]
    declined = [offset for offset in range(60) if offset % 4 == 0 and offset % 10 != 9]
    assert sum(one.count for one in found) == len(declined)
    assert sorted(p for one in found for p in one.payments) == sorted(f"t{n}" for n in declined)
    assert len(ids(bus)) == 3
    assert all(one.startswith("log:alerts:alert-") for one in ids(bus))


def test_alerts_do_not_depend_on_who_shares_their_take(store, bus, tmp_path):
    fill(store, batches=8)
    policy = msgspec.structs.replace(TEAM, window="20s", most=3)
    take(store, policy, most=1)
    few = AlertBook(bus.database).alerts(), ids(bus)
    follower = OutboxFollower(store.log, store.folder, "log", lambda: HOUR, policy)
    follower.reset()
    follower.close()
    take(store, policy)
    assert (AlertBook(bus.database).alerts(), ids(bus)) == few
    assert len(few[0]) > 6
    assert len(few[1]) == 3


def event(score, at_ms, outcome="review", card="c1", **payment):
    data = {"transaction_id": f"t{at_ms}", "outcome": outcome, "score": score, "event_time_ms": at_ms}
    data |= {"decided_at_ms": at_ms, "reasons": ["VELOCITY"], "typologies": {}}
    return {"data": data | {"transaction": {"card_id": card, "amount": 5.5, "currency": "EUR"} | payment}}


def test_a_later_and_more_severe_decision_raises_the_alert():
    policy = AlertPolicy()
    alert = model.opened(7, event(20, 1000), policy)
    assert (alert.severity, alert.typology) == ("medium", "velocity")
    alert, raised = model.grown(alert, event(20, 2000), policy)
    assert not raised
    alert, raised = model.grown(alert, event(95, 500, "decline"), policy)
    assert raised
    assert (alert.severity, alert.count, alert.amounts) == ("critical", 3, {"EUR": 16.5})
    assert model.belongs(alert, event(1, 6 * HOUR), policy)
    assert not model.belongs(alert, event(1, 6 * HOUR + 1000), policy)


def test_an_alert_is_named_by_what_acted_and_not_by_a_few_signs_of_something():
    scores = {"card_testing": 85.0, "scam": 70.0, "takeover": 5.0}
    for rules, name in (
        (["scam", "big"], "scam"),
        (["card_testing", "scam"], "card_testing"),
        (["blocked"], "velocity"),
        ([], "velocity"),
    ):
        told = event(95, 1000)
        acted = [f"typology.{one}" if one in scores else one for one in rules]  # as decisions have it
        told["data"] |= {"typologies": scores, "rules": acted}
        assert model.subject_of(told) == ("card", "c1", name)


def test_a_storm_is_a_few_messages_and_a_digest(store, bus):
    """Every card an alert of its own, 2 messages an hour."""
    policy = AlertPolicy(team=("slack:#team",), most=2, window="1s")
    fill(store, batches=10)
    take(store, policy)
    count = sum(AlertBook(bus.database).counts().values())
    assert count > 10
    assert len(ids(bus)) == 2
    watch = Watch(bus, policy, "log")
    assert watch.look(HOUR // 2) == 0
    assert watch.look(HOUR + 1) == 1
    assert watch.look(HOUR + 2) == 0
    digest = msgspec.json.decode(bus.letters()[0].event)
    assert digest["data"]["count"] == count - 2
    assert Wording(policy, {})(digest).title == f"{count - 2} more alerts like these (high)"


def test_nobody_acknowledges_so_somebody_else_hears_of_it(store, bus):
    policy = AlertPolicy(escalate_to=("mailto:lead@bank.example",), escalate_after="10m")
    fill(store, batches=2)
    take(store, policy)
    book = AlertBook(bus.database)
    first = book.alerts()[-1]
    assert book.acknowledge(first.id, "mira", 5).by == "mira"
    assert book.acknowledge(first.id, "tom", 6).by == "mira"
    watch = Watch(bus, policy, "log")
    assert watch.look(9 * 60_000) == 0
    assert watch.look(11 * 60_000) == 2
    assert watch.look(12 * 60_000) == 0
    told = Wording(policy, {})(msgspec.json.decode(bus.letters()[0].event))
    assert "Nobody has acknowledged" in told.title
    assert first.id not in told.title


def test_what_is_muted_raises_no_alert_until_its_time(store, bus):
    book = AlertBook(bus.database)
    book.mute(Mute(typology="velocity", entity_id="c1", until_ms=20_000, by="mira", kinds=("card",)))
    book.mute(Mute(typology="velocity", entity_id="c2", until_ms=20_000, by="mira", kinds=("merchant",)))
    fill(store, batches=4)
    take(store)
    found = {one.entity_id: one for one in book.alerts()}
    assert found["c1"].opened_ms >= 20_000
    assert found["c2"].opened_ms < 20_000  # a shop is muted that has the number of this card
    assert book.unmute("velocity", "c1")
    assert not book.unmute("velocity", "c1")


def test_payments_that_were_imported_long_after_they_were_made_raise_no_alert_where_the_policy_says_so(
    store, bus
):
    day = 24 * HOUR
    store.commit([events(0, 10), decisions(0, 10, after_ms=day + 1)])
    store.commit([events(10, 10), decisions(10, 10, after_ms=day)])
    take(store, parse_policy("ignore_older_than_days = 1", "a.toml"))
    found = AlertBook(bus.database).alerts()
    assert sorted(payment for one in found for payment in one.payments) == ["t12", "t16"]


def test_history_is_grouped_and_nobody_is_told(store, bus):
    fill(store, batches=2)
    follower = OutboxFollower(store.log, store.folder, "log", lambda: 10**13, TEAM)
    catch_up(store.log, follower)
    follower.close()
    assert AlertBook(bus.database).counts()["open"] == 3
    assert not ids(bus)


def test_whoever_subscribes_hears_of_alerts(store, bus):
    bus.subscribe(
        Subscription(name="a", pattern='{"type": ["com.ringfence.alert.opened.v1"]}', to="console:")
    )
    fill(store, batches=1)
    take(store)
    assert len(ids(bus, subscription="a")) == 3


def test_quiet_hours_hold_back_what_is_not_urgent(store, bus):
    policy = AlertPolicy(team=("slack:#team",), quiet="22:00-06:30", quiet_below="critical")
    fill(store, batches=1)
    take(store, policy)
    assert {one.due_ms for one in bus.letters()} == {round(6.5 * HOUR)}
    assert policy.due_ms(5, Severity.CRITICAL) == 5
    winter = AlertPolicy(quiet="22:00-07:00", quiet_zone="Europe/Berlin")
    assert winter.due_ms(23 * HOUR, Severity.MEDIUM) == 30 * HOUR


def test_the_customer_is_asked_in_their_words_and_language(store, bus):
    policy = AlertPolicy(customer="console", bank="Bank of Bern")
    fill_with_customers(store)
    take(store, policy)
    taken = []

    class Taking:
        def deliver(self, message):
            taken.append(message)
            return AttemptOutcome(AttemptEnd.DELIVERED)

        def close(self):
            pass

    with stopping(Courier(bus, {"console": Taking()}, lambda: HOUR, Random(1), Wording(policy, {}))):
        until(lambda: not bus.letters(state="waiting"))
    assert {one.to for one in taken} == {"ada"}
    assert "Waren Sie das? 0,05 EUR" in {one.words.title for one in taken}
    text = taken[0].words.text.lower()
    for secret in ("card_testing", "velocity", "score", "punkte", "fast"):
        assert secret not in text


def fill_with_customers(store):
    names = ["ada"] * 9 + [None]
    store.commit(
        [
            events(0, 10, **{"customer_id": names, "attributes.language": ["de"] * 9 + [None]}),
            decisions(0, 10),
        ]
    )


@pytest.mark.parametrize(
    ("by", "field", "contact"),
    [
        ("mail", "email", "ada@example.org, eve@evil.example"),
        ("mail", "email", "ada@example.org\nBcc: eve@evil.example"),
        ("mail", "email", "Ada <ada@example.org>"),
        ("mail", "email", "team:ada@example.org;"),
        ("mail", "email", "äda@example.org"),  # which servers without SMTPUTF8 refuse
        ("sms", "phone", "+491701234567,+4990012345"),
    ],
)
def test_a_contact_that_is_not_one_address_is_not_written_to(store, bus, by, field, contact):
    store.commit([events(0, 10, **{field: [contact] * 10}), decisions(0, 10)])
    take(store, AlertPolicy(customer=by))
    assert sum(AlertBook(bus.database).counts().values()) == 3
    assert not ids(bus)


@pytest.mark.parametrize("by", ["mail", "sms"])
def test_a_contact_that_is_one_address_is_written_to(store, bus, by):
    known = {"email": ["ada@example.org"] * 10, "phone": ["+491701234567"] * 10}
    store.commit([events(0, 10, **known), decisions(0, 10)])
    take(store, AlertPolicy(customer=by))
    assert len(ids(bus)) == 1


def test_a_language_that_a_payment_makes_up_is_kept_nowhere(store, bus):
    policy = AlertPolicy(customer="console", language="de")
    store.commit(
        [
            events(
                0, 10, **{"customer_id": ["ada"] * 10, "attributes.language": [f"x{n}" for n in range(10)]}
            ),
            decisions(0, 10),
        ]
    )
    take(store, policy)
    told = [msgspec.json.decode(one.event) for one in bus.letters()]
    assert {one["data"]["language"] for one in told} == {"de"}
    before = templates.shipped.cache_info().currsize
    for number in range(50):
        told[0]["data"]["language"] = f"y{number}"
        assert "Waren Sie das?" in Wording(policy, {})(told[0]).title
    assert templates.shipped.cache_info().currsize <= before + 1


def test_a_message_that_cannot_be_written_is_dead_and_no_other_one_waits(store, bus):
    policy = AlertPolicy(team=("console:",))
    fill(store, batches=1)
    take(store, policy)
    taken = []

    class Taking:
        def deliver(self, message):
            taken.append(message.id)
            return AttemptOutcome(AttemptEnd.DELIVERED)

        def close(self):
            pass

    bad = ids(bus)[0]

    def words(told):
        if told["id"] in bad:
            raise ValueError("not this one")
        return Wording(policy, {})(told)

    with stopping(Courier(bus, {"console": Taking()}, lambda: HOUR, Random(1), words)):
        until(lambda: not bus.letters(state="waiting"))
    assert ids(bus, state="dead") == [bad]
    assert len(taken) == 2
    assert bus.destinations()[0].failing == 0


def test_text_of_a_payment_makes_no_line_and_no_link_of_its_own():
    forged = "x\r\n* Amount: 1.00\nhttps://evil.example/\u2028y\u202ez\x1b"
    text = "{{ merchant }}\n* Merchant: {{ merchant }}\n* Amount: {{ amount|money }}\n{{ reasons[0] }}"
    words = rendered("team", text, SAMPLES["team"] | {"merchant": forged, "reasons": [forged]})
    one_line = "x * Amount: 1.00 https://evil.example/ y z"
    assert words.title == one_line
    assert words.lines == (("Merchant", one_line), ("Amount", "129.90"), ("", one_line))
    made = {
        "type": "com.ringfence.decision.made.v1",
        "data": {"transaction_id": forged, "outcome": "decline"},
    }
    made["data"] |= {"score": 5.0, "transaction": {"merchant_id": forged}}
    assert len(words_of(made).text.splitlines()) == 4


def test_amounts_are_written_as_the_language_of_the_message_writes_them():
    text, values = "{{ amount|money }} {{ currency }}", SAMPLES["customer"] | {"amount": 1234.5}
    titles = [rendered("customer", text, values, language).title for language in ("en", "de")]
    assert titles == ["1,234.50 EUR", "1.234,50 EUR"]


def test_a_message_that_is_cut_says_so_and_where_all_of_it_is():
    text, long = "{{ reasons[0] }}\n{{ reasons|join(' ') }}", "word " * 5000
    words = rendered("team", text, SAMPLES["team"] | {"reasons": [long]}, "de")
    assert words.title.endswith("…")
    assert len(words.lines[0][1]) > len(words.title)  # the title, as far as a message goes
    assert words.lines[-1][1].endswith("gekürzt. Alles: ringfence alerts show alert-17")
    event = {"type": "com.ringfence.flag.changed.v1", "data": {f"n{number}": 1 for number in range(30)}}
    assert words_of(event).lines[-1][1].startswith("10 fields more")


def test_the_customers_link_is_the_only_one():
    told = {"to": "ada@example.org", "alert": {"id": "alert-1"}, "decision": {"transaction_id": "t1"}}
    told["decision"]["transaction"] = {"amount": 5.0, "currency": "https://evil.example/"}
    asked = {"type": "com.ringfence.customer.asked.v1", "data": told}
    words = Wording(AlertPolicy(), {}, lambda _data: "https://a.example/answer/x")(asked)
    assert words.link == "https://a.example/answer/x"
    assert ("", words.link) in words.lines


def test_no_id_of_a_message_holds_a_secret(store, bus):
    to = ("apprise:tgram://s3cret/1", "apprise:tgram://s3cret/2", "https://example.com/hook?token=s3cret")
    policy = AlertPolicy(team=to, escalate_to=to, escalate_after="10m")
    fill(store, batches=1)
    take(store, policy)
    assert Watch(bus, policy, "log").look(11 * 60_000) == 9
    assert len(ids(bus)) == 18
    assert not [one for one in ids(bus) if "s3cret" in one]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('tema = ["console:"]', "did you mean 'team'?"),
        ('team = ["pager"]', "no destination"),
        ('window = "soon"', "window:"),
        ('quiet = "late"', "span of hours"),
        ('quiet_zone = "Mars"', "time zone"),
        ('outcomes = ["refuse"]', "outcomes: 'refuse'"),
        ("most = 0", "most:"),
        ('yes_allows = "1d"', 'contacts = "profile"'),
        ('contacts = "bank"', "contacts:"),
        ('team = ["tgram://s3cret/1"]', "'tgram:…' is no destination"),
        ("most = true", "most"),
        ("ignore_older_than_days = 0", "ignore_older_than_days:"),
        ("high = 95.0", "high and critical"),
        ('language = "xx"', "language"),
        ("x = [", "a.toml"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_its_place(text, said):
    with pytest.raises(InputError) as refused:
        parse_policy(text, "a.toml")
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)
