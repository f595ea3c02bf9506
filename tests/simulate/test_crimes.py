"""Each crime looks as it does in life: what makes it findable, and what hides it."""

import numpy as np
import pytest


def of(payments, typology):
    chosen = payments["typology"] == typology
    return {name: column[chosen] for name, column in payments.items()}


def usual(payments, who, before_ms, name):
    """What an honest customer's column `name` held before."""
    mine = (payments["who"] == who) & (payments["ms"] < before_ms) & (payments["typology"] == "honest")
    return payments[name][mine]


def test_stolen_numbers_are_tried_with_small_amounts_and_then_used(payments):
    found = of(payments, "card_testing")
    small = found["amount"] < 7
    assert 0.6 < small.mean() < 0.95
    assert np.median(found["amount"][~small]) > 20
    assert set(found["channel"]) == {"online"}


def test_a_stolen_card_pays_several_times_within_hours(payments):
    found = of(payments, "stolen_card")
    cards, counts = np.unique(found["card_id"].astype(str), return_counts=True)
    spans = [np.ptp(found["ms"][found["card_id"] == card]) for card in cards]
    assert np.median(counts) >= 3
    assert np.median(spans) < 12 * 3_600_000


def test_a_counterfeit_card_pays_away_from_home(payments):
    found = of(payments, "counterfeit")
    away = []
    for who, city, ms in zip(found["who"], found["city"], found["ms"], strict=True):
        places = usual(payments, who, ms, "city")
        places = [place for place in places if place is not None]
        away.append(city not in places)
    assert np.mean(away) > 0.6


def test_who_takes_an_account_over_mostly_has_a_device_of_his_own(payments):
    found = of(payments, "takeover")
    fresh = [
        device not in usual(payments, who, ms, "device_id")
        for who, device, ms in zip(found["who"], found["device_id"], found["ms"], strict=True)
    ]
    assert 0.6 < np.mean(fresh) < 1.0


def test_fraud_at_a_compromised_terminal_is_in_amounts_like_anybodys(payments):
    found = of(payments, "compromised_terminal")
    terminals, counts = np.unique(found["terminal_id"].astype(str), return_counts=True)
    assert counts.max() > 10
    mine = np.isin(payments["terminal_id"].astype(str), terminals) & (payments["typology"] == "honest")
    assert 0.5 < np.median(found["amount"]) / np.median(payments["amount"][mine]) < 2.5


def test_cards_of_a_compromised_shop_are_used_elsewhere(payments):
    found = of(payments, "compromised_merchant")
    victims = set(found["who"])
    online = payments["channel"] == "online"
    customers = {}
    for shop, who in zip(payments["merchant_id"][online], payments["who"][online], strict=True):
        customers.setdefault(shop, set()).add(who)
    assert max(len(victims & some) for some in customers.values()) > 0.1 * len(victims)


def test_a_ring_of_mules_shares_device_e_mail_and_phone(payments):
    found = of(payments, "mule_ring")
    for name in ("email", "phone"):
        shared = {value: set(found["account_id"][found[name] == value]) for value in set(found[name])}
        assert min(map(len, shared.values())) >= 3
    assert set(found["channel"]) == {"transfer"}


def test_who_busts_out_spends_far_more_than_ever(payments):
    found = of(payments, "bust_out")
    more = [
        found["amount"][found["who"] == who].sum() / usual(payments, who, ms, "amount").max(initial=1.0)
        for who, ms in dict(zip(found["who"], found["ms"], strict=True)).items()
    ]
    assert np.median(more) > 2


def test_friendly_fraud_is_paid_with_the_customers_own_device(payments):
    found = of(payments, "friendly")
    known = [
        device in usual(payments, who, 2**60, "device_id")
        for who, device in zip(found["who"], found["device_id"], strict=True)
    ]
    assert np.mean(known) > 0.9


@pytest.mark.parametrize("typology", ["card_testing", "stolen_card", "takeover", "counterfeit"])
def test_no_kind_stands_out_by_its_amounts_alone(payments, typology):
    """Most of its larger payments are of a size that honest ones have, too."""
    honest = np.quantile(payments["amount"][payments["typology"] == "honest"], [0.01, 0.995])
    amounts = of(payments, typology)["amount"]
    assert ((amounts >= honest[0]) & (amounts <= honest[1])).mean() > 0.6
