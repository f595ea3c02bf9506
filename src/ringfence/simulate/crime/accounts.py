"""Crimes with an account: taken over, run up and left, lent to launderers, or the customer's own."""

from __future__ import annotations

import numpy as np

from ringfence.simulate.crime.scene import CrimeScene, paced
from ringfence.simulate.draws import spread
from ringfence.simulate.honest import DAY_MS
from ringfence.simulate.places import ONLINE_AT
from ringfence.simulate.rows import Channel, SimulatedEntry, SimulatedRows, SimulatedTypology


def takeover(scene: CrimeScene, count: int) -> SimulatedRows:
    """Somebody else pays from an account: a new device, often a new e-mail address, a shop or a mule."""
    rng, people = scene.rng, scene.people
    victim, (device, ip) = scene.victims(count), scene.hidden(count)
    contact = scene.posing(victim)
    own_device = rng.random(count) < 0.15  # remote access: the victim's own
    device = np.where(own_device, people.device[victim], device)
    item, step = spread(rng.integers(1, 5, count))
    times = paced(rng, scene.begins(count, (0, 24)), item, step, (3, 90))
    greed = rng.uniform(0.8, 4, count)[item]
    shops = scene.bought(
        SimulatedTypology.TAKEOVER,
        victim[item],
        times,
        scene.category(["online_retail", "online_electronics", "travel", "digital"], len(item)),
        ONLINE_AT,
        greed,
        device=device[item],
        ip=ip[item],
        contact=contact[item],
    )
    sent = (rng.random(count) < 0.3)[item]
    drop = (len(people) + len(people) // 12 + 2 + rng.integers(0, 400, count)).astype(np.int32)
    shops.counterparty[sent] = drop[item][sent]
    shops.channel[sent] = Channel.TRANSFER
    shops.amount_minor[sent] = np.rint(shops.amount_minor[sent] * 1.5 / 100).astype(np.int64) * 100 + 2000
    shops.card[sent] = shops.merchant[sent] = -1
    return shops


def bust_out(scene: CrimeScene, count: int) -> SimulatedRows:
    """A customer uses all credit within days, meaning never to pay: own card, own device."""
    rng, people = scene.rng, scene.people
    customer = scene.victims(count)
    item, step = spread(rng.integers(6, 15, count))
    times = paced(rng, scene.begins(count, (7, 15)), item, step, (150, 600))
    online = rng.random(len(item)) < 0.5
    category = scene.category(["electronics", "fashion", "home", "cash"], len(item))
    category[online] = scene.category(["online_electronics", "travel", "online_retail"], int(online.sum()))
    city = np.where(online, ONLINE_AT, people.place(customer)[item]).astype(np.int64)
    who = customer[item]
    bought = scene.bought(
        SimulatedTypology.BUST_OUT,
        who,
        times,
        category,
        city,
        rng.uniform(1.5, 4, count)[item],
        device=np.where(online, people.device[who], -1),
        ip=np.where(online, people.ip[who], -1),
        contact=np.where(online, people.contact[who], -1),
    )
    bought.city = people.place(who)
    return bought


def mule_ring(scene: CrimeScene, count: int) -> SimulatedRows:
    """Customers lend their accounts: they share devices, an e-mail address and a phone, and pass money on."""
    rings = [_ring(scene) for _ in range(count)]
    return (
        SimulatedRows.joined(rings)
        if rings
        else SimulatedRows.blank(np.zeros(0, np.int64), SimulatedTypology.MULE_RING)
    )


def _ring(scene: CrimeScene) -> SimulatedRows:
    rng, people = scene.rng, scene.people
    members = rng.choice(people.active(scene.day.number), int(rng.integers(4, 12)), replace=False)
    devices, contact = people.issue("device", 2), people.issue("contact", 1)
    ip = people.issue("ip", 1)
    item, _ = spread(rng.integers(3, 12, len(members)))
    rows, days = len(item), int(rng.integers(2, 8))
    begin = scene.begins(1, (6, 12))[0]
    waves = rng.integers(0, days * 2, rows)  # money comes in waves and leaves at once
    times = begin + waves * (DAY_MS // 2) + rng.integers(0, 40 * 60_000, rows)
    who = members[item]
    drops = (len(people) + len(people) // 12 + 2 + rng.integers(0, 400, 6)).astype(np.int32)
    bait = rng.random(rows) < 0.25  # small payments among the members make them look lived in
    amounts = np.where(bait, rng.integers(10, 120, rows), rng.integers(60, 1500, rows)) * 100
    return SimulatedRows.blank(
        times,
        SimulatedTypology.MULE_RING,
        customer=who,
        city=people.home[who],
        counterparty=np.where(
            bait, members[rng.integers(0, len(members), rows)], drops[rng.integers(0, 6, rows)]
        ),
        channel=Channel.TRANSFER,
        entry=SimulatedEntry.KEYED,
        device=devices[rng.integers(0, 2, rows)],
        ip=ip[0],
        contact=contact[0],
        amount_minor=amounts,
    )


def friendly(scene: CrimeScene, honest: SimulatedRows, count: int) -> None:
    """Customers dispute what they have bought: payments online in `honest` become fraud."""
    online = np.flatnonzero((honest.channel == Channel.ONLINE) & (honest.entry == SimulatedEntry.KEYED))
    if len(online):
        weight = honest.amount_minor[online].astype(np.float64) ** 0.7
        chosen = scene.rng.choice(online, min(count, len(online)), replace=False, p=weight / weight.sum())
        honest.truth[chosen] = SimulatedTypology.FRIENDLY
