"""Which pairs of fields are worth a label rate: those that say more than their fields do, what is new first.

What names whoever pays in a table that names nobody is a pair: a field in which payments of one payer agree,
such as a region or a mail domain, beside the payer's own or the day on which an account began.
"""

from __future__ import annotations

from functools import reduce
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from ringfence.events.model import START_DAY_PREFIX
from ringfence.learning.choosing.earlier_rates import (
    PAYERS,
    gained,
    is_repeated,
    known_before,
    payer_of,
    rated,
    together,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ringfence.learning.choosing.earlier_rates import Codes, Floats, KnownOfValue, SeenPayments

    Pair = tuple[str, str]

MOST_PAIRS: Final = 16
MOST_HABITS: Final = 6
_HABIT: Final = 0.1  # agreement beyond chance, from which on another value than before is news
WORTH: Final = 6.0
"""Nats that a rate has to be worth on later payments.

The best of a dozen rates of a value that says nothing is worth more by luck in one case of two hundred,
and more than 2 in one of twenty.
"""

_PAIRED: Final = (8, 3, 10)  # best texts, best numbers, and fields in which payments of a payer agree
_SHORTLIST: Final = 40
_NEW_KINDS: Final = 1.05  # a pair has so many times the values of either field, or is one of them again
_LEAST_PAIRS: Final = 200


def chosen_pairs(
    seen: SeenPayments, order: Sequence[str], alone: Mapping[str, Floats], prior: Floats
) -> tuple[tuple[Pair, ...], int]:
    """The pairs, the best first, and how many were tried.

    `order` are the fields, the best first; `alone` is the rate of each by itself, `prior` that of all.
    """
    tried = _candidates(seen, order)
    more, found = {}, {}
    for one, other in tried:
        codes = mixed(seen.codes[one], seen.codes[other])
        if is_repeated(codes) and _is_finer(codes, seen.codes[one], seen.codes[other]):
            base = _known(seen, one, other, alone, prior)
            known = known_before(seen, codes)
            worth = gained(seen, rated(seen, known, base), base)
            if worth >= WORTH:
                more[one, other], found[one, other] = worth, known
    short = sorted(more, key=lambda pair: -more[pair])[:_SHORTLIST]
    new = _each_new(seen, {pair: (more[pair], found[pair]) for pair in short}, alone, prior)
    rest = [pair for pair in short if pair not in new]
    return (*new, *rest)[:MOST_PAIRS], len(tried)


def _candidates(seen: SeenPayments, order: Sequence[str]) -> list[Pair]:
    """Every pair of the best fields, and each with who pays and with the days on which something began."""
    texts, numbers, agreeing = _PAIRED
    payer = payer_of(seen.codes)
    began = [name for name in seen.codes if name.startswith(START_DAY_PREFIX)]
    anchors = list(dict.fromkeys([*([payer] if payer else []), *began]))
    words = [name for name in order if name in seen.texts][:texts]
    others = [name for name in order if name not in seen.texts][:numbers]
    agree = _agreement(seen, seen.codes[payer]) if payer else {}
    stable = sorted(agree, key=lambda name: -agree[name])[:agreeing]
    best = list(dict.fromkeys([*anchors, *words, *others]))
    found = [*combinations(best, 2), *((anchor, name) for anchor in anchors for name in stable)]
    unlike = [pair for pair in found if pair[0] != pair[1]]
    return list({frozenset(pair): pair for pair in reversed(unlike)}.values())[::-1]


def naming(seen: SeenPayments, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """What nearly names whoever pays: by its payments, the most is known of the next one.

    The field that is called so, or a pair with it or with a start day; empty where there is none.
    """
    payer = payer_of(seen.codes)
    tried: list[tuple[str, ...]] = [(payer,)] if payer in PAYERS else []
    tried += [
        pair for pair in pairs if payer in pair or any(name.startswith(START_DAY_PREFIX) for name in pair)
    ]
    known = {names: sum(_agreement(seen, _codes(seen, names)).values()) for names in tried}
    return max(known, key=lambda names: known[names], default=())


def habits_of(seen: SeenPayments, payer: Sequence[str]) -> tuple[str, ...]:
    """Fields in which payments of a payer agree, those that tell most of it first."""
    agree = _agreement(seen, _codes(seen, payer), _HABIT)
    ages = {name.removeprefix(START_DAY_PREFIX) for name in seen.codes if name.startswith(START_DAY_PREFIX)}
    told = [name for name in agree if not name.startswith(START_DAY_PREFIX) and name not in {*payer, *ages}]
    return tuple(sorted(told, key=lambda name: -agree[name])[:MOST_HABITS])


def _codes(seen: SeenPayments, names: Sequence[str]) -> Codes:
    return reduce(mixed, (seen.codes[name] for name in names))


def _agreement(seen: SeenPayments, payers: Codes, least: float = 0.0) -> dict[str, float]:
    """How much a payer's payment tells of the next one: agreement beyond chance, above a least."""
    order = np.argsort(payers, kind="stable")
    first, second = order[:-1], order[1:]
    same = (payers[first] == payers[second]) & (payers[first] != 0)
    first, second = first[same], second[same]
    found: dict[str, float] = {}
    for name, values in seen.codes.items():
        known = (values[first] != 0) & (values[second] != 0)
        if np.count_nonzero(known) < _LEAST_PAIRS:
            continue
        chance, told = seen.spreads[name]
        agreed = float((values[first] == values[second])[known].mean())
        if agreed - chance > least * (1 - chance):
            found[name] = (agreed - chance) / (1 - chance) * told * np.count_nonzero(known) / len(payers)
    return found


def _each_new(
    seen: SeenPayments,
    worth: Mapping[Pair, tuple[float, KnownOfValue]],
    alone: Mapping[str, Floats],
    prior: Floats,
) -> tuple[Pair, ...]:
    """Pairs by what each adds to those before it: an account's region and its mail say the same twice."""
    bound, told = {pair: nats for pair, (nats, _) in worth.items()}, prior
    chosen: list[Pair] = []
    while bound and len(chosen) < MOST_PAIRS:
        pair = max(bound, key=lambda one: bound[one])
        known = worth[pair][1]
        own = rated(seen, known, _known(seen, *pair, alone, prior))
        with_it = _with(seen, known, own, told, prior)
        bound[pair] = min(gained(seen, with_it, told), bound[pair])
        if bound[pair] < WORTH:
            del bound[pair]
        elif bound[pair] >= max(bound.values()):
            chosen.append(pair)
            del bound[pair]
            told = with_it
    return tuple(chosen)


def _with(seen: SeenPayments, known: KnownOfValue, own: Floats, told: Floats, prior: Floats) -> Floats:
    """What is told with a pair's rate added, as one that refines it or as one that it does not depend on."""
    both = (rated(seen, known, told), together(told, own, prior))
    return max(both, key=lambda rate: gained(seen, rate, told))


def _known(seen: SeenPayments, one: str, other: str, alone: Mapping[str, Floats], prior: Floats) -> Floats:
    """The best that is known of a pair without it."""
    rates = (prior, alone[one], alone[other], together(alone[one], alone[other], prior))
    return max(rates, key=lambda rate: gained(seen, rate, prior))


def _is_finer(both: Codes, one: Codes, other: Codes) -> bool:
    """Whether a pair tells apart what neither of its fields does."""
    return len(np.unique(both)) > _NEW_KINDS * max(len(np.unique(one)), len(np.unique(other)))


def mixed(one: Codes, other: Codes) -> Codes:
    """Codes of pairs, 0 where either is unknown."""
    with np.errstate(over="ignore"):
        both = one * np.int64(-7046029254386353131) ^ (other + np.int64(1442695040888963407))
    return np.where((one == 0) | (other == 0), 0, both)
