"""Whom a mute is about: one entity, as the log has it, and never everybody by accident."""

from functools import partial

import msgspec
import pytest

from ringfence.adapters.outbox import AlertBook, Bus, BusPersons
from ringfence.adapters.outbox.alert_book import put
from ringfence.alerts.book import Mute
from ringfence.alerts.model import Alert
from ringfence.desks.alerts import MuteDesk, MuteGround, Muter, forms_of
from ringfence.desks.person_search import PersonTokens
from ringfence.errors import InputError
from ringfence.events.privacy.personal import PersonalData
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.rulebook.changes import ApprovalError

KEY = bytes(16)
VAULT = Tokenizer(KEY, personal=PersonalData(KEY))
ADA = "ada@mail.example"
HOUR_MS = 3_600_000
ANALYST = Muter("mira", may_approve=False)


@pytest.fixture
def book(tmp_path):
    bus = Bus(tmp_path)
    yield AlertBook(bus.database)
    bus.close()


def desk(book, tokenizer, paid=()):
    """A desk where `paid` are kinds and ids of which there are payments."""
    ground = MuteGround(frozenset({"big"}), frozenset, lambda *asked: asked in paid, lambda: ())
    return MuteDesk(book, lambda: ground, tokenizer)


def mute(entity_id, note=""):
    return Mute(typology="big", entity_id=entity_id, until_ms=HOUR_MS, by="mira", note=note)


def muted(book):
    return [one.entity_id for one in book.mutes()]


def alert(identity, **fields):
    base = Alert(
        id=identity, entity="transaction", entity_id="t1", typology="big", severity="high", score=70.0,
        outcome="review", count=1, opened_ms=1, last_ms=1, decided_ms=1, raised_ms=1, payments=("t1",),
        amounts={},
    )  # fmt: skip
    return type(base)(**{name: getattr(base, name) for name in base.__struct_fields__} | fields)


@pytest.mark.parametrize("named", [{"entity_id": "*"}, {"typology": "*"}])
def test_an_alert_about_a_payment_called_like_any_mutes_nobody_else(tmp_path, named):
    bus = Bus(tmp_path)
    with bus.database.transaction() as connection:
        put(connection, [alert("alert-7", **named), alert("alert-8")])
    book = AlertBook(bus.database)
    with pytest.raises(InputError, match="would mute everybody"):
        desk(book, VAULT).mute_like("alert-7", HOUR_MS, ANALYST, 0)
    desk(book, VAULT).mute_like("alert-8", HOUR_MS, ANALYST, 0)
    assert muted(book) == ["t1"]
    bus.close()


@pytest.mark.parametrize("given", ["card=*", "transaction= *", "card=", "\u200b*"])
def test_only_a_bare_star_stands_for_all(book, given):
    with pytest.raises(InputError, match="names nobody"):
        desk(book, Tokenizer(KEY)).mute(mute(given), 0)
    assert muted(book) == []


@pytest.mark.parametrize("given", [ADA, f"customer={ADA}", "ADA@mail.example"])
def test_a_customer_of_a_vault_is_muted_by_token(book, given):
    token = VAULT.as_kept("customer_id", ADA)
    made, change = desk(book, VAULT, {("customer", token)}).mute(mute(given, f"{ADA} called"), 0)
    assert (made.entity_id, made.remarks, change.entities) == (token, (), (token,))
    assert muted(book) == [token]
    assert ADA not in str(book.mutes())
    assert desk(book, VAULT).unmute("big", given, 0, may_approve=True).before
    assert muted(book) == []


def test_who_has_not_paid_says_what_an_id_is_where_it_may_be_personal(book):
    with pytest.raises(InputError, match="customer=ID or card=ID"):
        desk(book, VAULT).mute(mute(ADA), 0)
    made, _ = desk(book, VAULT).mute(mute("card=card-7"), 0)
    assert made.entity_id == "card-7"
    made, _ = desk(book, VAULT).mute(mute("4111 1111 1111 1111"), 0)
    assert made.entity_id == VAULT.token("4111111111111111")


def test_an_account_is_muted_as_its_payments_have_it(book):
    kept = "DE89370400440532013000"
    desk(book, Tokenizer(KEY), {("account", kept)}).mute(mute("de89 3704 0044 0532 0130 00"), 0)
    assert muted(book) == [kept]


def test_what_stands_in_the_list_in_plain_is_raised_again(book):
    book.mute(mute(ADA))
    change = desk(book, VAULT).unmute("big", ADA, 0, may_approve=True)
    assert [one.entity_id for one in change.before] == [ADA]
    assert ADA not in change.object
    assert muted(book) == []


def test_raising_one_that_is_called_like_any_leaves_the_mute_of_all(book):
    book.mute(mute("*"))
    desk(book, VAULT).unmute("big", "card=*", 0, may_approve=True)
    assert muted(book) == ["*"]


def test_who_had_muted_it_before_is_told(book):
    first = msgspec.structs.replace(mute("*", "a test"), approved=True)
    desk(book, VAULT).mute(first, 0)
    _, again = desk(book, VAULT).mute(first, 0)
    assert again.details() == {}, "nothing has changed"
    later = Mute(typology="big", entity_id="*", until_ms=9, by="tom", approved=True)
    _, change = desk(book, VAULT).mute(later, 0)
    assert (change.object, change.details()) == ("big *", {"before": f"mira until {HOUR_MS} a test"})


class _Log:
    def end_offset(self, _topic):
        return 0


@pytest.mark.parametrize("kind", ["merchant", "card"])
def test_a_mute_of_a_shop_or_card_with_a_customers_number_stays_when_the_customer_is_erased(tmp_path, kind):
    bus = Bus(tmp_path)
    book, customer = AlertBook(bus.database), VAULT.as_kept("customer_id", "42")
    paid = {(kind, "42"), ("customer", customer)}
    desk(book, VAULT, paid).mute(mute("42"), 0)
    assert sorted(muted(book)) == ["42", customer]

    persons = BusPersons(bus.database, _Log(), partial(forms_of, VAULT))
    ada = PersonTokens(person=customer, kind="customer", own=frozenset({customer}))
    assert [one["entity_id"] for one in persons.held(ada)["mutes"]] == [customer]
    assert persons.erase(ada)["mutes"] == 1
    assert muted(book) == ["42"]
    book.mute(mute("42"))  # of an earlier version: nothing says what it is
    assert persons.erase(ada)["mutes"] == 1
    assert muted(book) == []
    bus.close()


def test_a_mute_of_an_account_in_plain_goes_with_its_customer(tmp_path):
    """It was made before the vault was there; no mute of something else with this number goes."""
    bus = Bus(tmp_path)
    book, customer = AlertBook(bus.database), VAULT.as_kept("customer_id", "ada")
    theirs = Mute(typology="big", entity_id="D-42", until_ms=HOUR_MS, by="mira", kinds=("account",))
    book.mute(theirs)
    book.mute(Mute(typology="night", entity_id="D-42", until_ms=HOUR_MS, by="mira", kinds=("merchant",)))
    persons = BusPersons(bus.database, _Log(), partial(forms_of, VAULT))
    own = frozenset({customer, VAULT.as_kept("account_id", "D-42")})
    ada = PersonTokens(person=customer, kind="customer", own=own)
    assert persons.held(ada)["mutes"] == [msgspec.to_builtins(theirs)]
    assert persons.erase(ada)["mutes"] == 1
    assert [one.typology for one in book.mutes()] == ["night"]
    bus.close()


@pytest.mark.parametrize(
    ("earlier", "is_kept"), [({"approved": True}, True), ({"entity_id": "*"}, True), ({"until_ms": 9}, False)]
)
def test_a_mute_in_force_of_who_may_approve_is_lifted_by_nobody_else(book, earlier, is_kept):
    given = {"typology": "big", "entity_id": "c1", "until_ms": HOUR_MS, "by": "tom"} | earlier
    book.mute(Mute(**given))
    lift = desk(book, Tokenizer(KEY)).unmute
    if is_kept:
        with pytest.raises(ApprovalError, match="tom muted big"):
            lift("big", given["entity_id"], 9, may_approve=False)
    else:
        lift("big", "c1", 9, may_approve=False)
    assert bool(muted(book)) == is_kept
    assert bool(lift("big", given["entity_id"], 9, may_approve=True).before) == is_kept
