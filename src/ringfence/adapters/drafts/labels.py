"""Which column says what was fraud, and with which words."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ringfence.errors import InputError
from ringfence.events.values.numbers import to_bools

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.adapters.drafts.desk import DraftDesk
    from ringfence.adapters.drafts.sample import Column

_FRAUD: Final = frozenset(
    """fraud fraudulent betrug fraude frode fraudulento chargeback disputed stolen scam bad illicit
    suspicious confirmed_fraud mule laundering fraud_confirmed positive""".split()  # noqa: SIM905
)
_GOOD: Final = frozenset(
    """legit legitimate genuine good normal ok licit valid clean nonfraud notfraud nofraud paid
    approved negative keinbetrug legitimo legitime nofraude ehrlich""".split()  # noqa: SIM905
)
_UNKNOWN: Final = frozenset(
    """unknown unlabelled unlabeled undetermined pending nan null none n/a ? unbekannt
""".split()  # noqa: SIM905
)
_YES: Final = frozenset("ja j si s\u00ed s sim oui o tak t evet".split())  # noqa: SIM905
_NO: Final = frozenset("nein n nee no n\u00e3o nao non nie hayir".split())  # noqa: SIM905
_OPPOSITE: Final = frozenset("not non no anti passed ok checked check legit safe cleared".split())  # noqa: SIM905
_GUESSED: Final = frozenset(
    "score predicted prediction probability prob risk model detector rule".split()  # noqa: SIM905
)
_MOST_WORDS: Final = 12
_MOST_NAMED: Final = 4
_LETTERS: Final = re.compile("[^a-z]+")
_LATE: Final = re.compile("refund|charge.?back|disput|settled|reversed|erstattet|reembols")


def choose_label(desk: DraftDesk) -> None:
    """Fills the plan's label, or says which columns may be it."""
    named, found = desk.answers.get("label"), label_of(desk.left.values())
    if named is not None:
        column = desk.named("label", named)
        found = (named, *_label_in(column, desk.answers.get("fraud")))
    elif found is not None and "fraud" in desk.answers:
        found = (found[0], *_label_in(desk.left[found[0]], desk.answers["fraud"]))
    for one in desk.left.values():
        if found is None and says_otherwise(one):
            desk.plan.remarks.append(
                f"{one.name} is not taken as the label: its name tells what is no fraud, or what somebody "
                "guessed. Where it is one, name its values under label of the mapping"
            )
    if found is None:
        maybe = _might_tell(desk.left.values())
        said = "no column seems to say which payments were fraud: a label record is missing"
        hint = f". It may be {' or '.join(maybe)}: --answer label=COLUMN, and --answer fraud=VALUE for a code"
        desk.plan.remarks.append(said + (hint if maybe else ""))
        return
    name, options, doubt = found
    desk.left.pop(name, None)
    desk.plan.label = {"column": name, **options}
    if doubt:
        desk.plan.remarks.append(f"{name}: {doubt}")


def label_of(columns: Iterable[Column]) -> tuple[str, dict[str, Any], str] | None:
    """A label's column, the options of the mapping's `label`, and a doubt; None where no column is one."""
    best: tuple[float, str, dict[str, Any], str] | None = None
    for column in columns:
        points = _named(column)
        told = _told(column) if points else None
        if told is not None and (best is None or points > best[0]):
            best = (points, column.name, *told)
    return None if best is None else best[1:]


def _label_in(column: Column, fraud: str | None) -> tuple[dict[str, Any], str]:
    """The options of a column that somebody named, and perhaps the value that means fraud there."""
    words = list(dict.fromkeys([*column.different, *column.placeholders]))
    shown = ", ".join(words[:_MOST_WORDS])
    if fraud is not None:
        if fraud not in words:
            raise InputError(
                f"--answer fraud={fraud}: {column.name} has no such value in its first rows: {shown}"
            )
        return {"fraud": [fraud]}, ""
    told = _told(column)
    if told is None:
        raise InputError(
            f"--answer label={column.name}: which of its values means fraud? Add --answer fraud=VALUE, "
            f"one of {shown}"
        )
    return told


def _might_tell(columns: Iterable[Column]) -> list[str]:
    """Columns that may be the label under a name unknown here, the likeliest first, with their values."""
    found: list[tuple[float, str]] = []
    for column in columns:
        words = list(dict.fromkeys([*column.different, *column.placeholders]))
        if not 2 <= len(words) <= _MOST_WORDS or says_otherwise(column):
            continue
        bad = [word for word in words if _FRAUD & set(_LETTERS.sub(" ", word.lower()).split())]
        if bad:
            found.append((-1.0, f"{column.name} ({', '.join(bad)})"))
        elif _told(column) is not None:
            rarest = min(Counter(column.texts).values(), default=0) / max(column.rows, 1)
            found.append((rarest, f"{column.name} ({', '.join(words)})"))
    return [said for _, said in sorted(found)[:_MOST_NAMED]]


def says_otherwise(column: Column) -> bool:
    """Whether a name tells what is no fraud, or what somebody guessed, by its other words."""
    return "fraud" in column.meanings and bool((_OPPOSITE | _GUESSED) & set(column.words))


def known_late(column: Column) -> bool:
    """What a payment's row can only say afterwards, as far as its name and its values tell."""
    if column.meanings & {"fraud", "dispute", "refund"}:
        return True
    words = " ".join(column.different).lower() if len(column.different) <= _MOST_WORDS else ""
    return "status" in column.meanings and bool(_LATE.search(words))


def _pair(words: list[str]) -> dict[str, Any] | None:
    """Two words of which one says yes and the other no, in whatever language or number."""
    for yes, no in ((_YES, _NO), ({"1.0"}, {"0.0"}), ({"1"}, {"-1"})):
        fraud = [word for word in words if word.strip().lower() in yes]
        good = [word for word in words if word.strip().lower() in no]
        if len(fraud) == len(good) == 1 and len(words) == 2:
            return {"fraud": fraud, "good": good}
    return None


def _named(column: Column) -> float:
    meanings = column.meanings
    if meanings & {"date", "time", "amount", "id", "count"}:
        return 0
    if says_otherwise(column):
        return 0
    if "fraud" in meanings:
        return 50 + 20 * (len(column.words) <= 2) - 15 * ("flagged" in column.words)
    if "dispute" in meanings:
        return 40
    return 30 if "label" in meanings and len(column.words) == 1 else 0


def _told(column: Column) -> tuple[dict[str, Any], str] | None:
    """The options that the values need, None where they are no label's."""
    words = list(dict.fromkeys([*column.different, *column.placeholders]))
    if not words or len(words) > _MOST_WORDS:
        return None
    if not to_bools(pa.array(words))[1].any():
        return {}, ""
    plain = {word: re.sub(r"[^a-z/?_]", "", word.lower()) for word in words}
    fraud = [word for word, one in plain.items() if one in _FRAUD]
    unknown = [word for word, one in plain.items() if one in _UNKNOWN or word == "-1"]
    good = [word for word, one in plain.items() if one in _GOOD]
    if fraud and good and len(fraud) + len(good) + len(unknown) == len(words):
        return {"fraud": fraud, "good": good} | ({"unknown": unknown} if unknown else {}), ""
    if (pair := _pair([word for word in words if word not in unknown or word == "-1"])) is not None:
        rest = [word for word in unknown if word not in pair["good"]]
        doubt = (
            "1 is taken as fraud, -1 as good: detectors of anomalies mean the opposite"
            if "-1" in words
            else ""
        )
        return pair | ({"unknown": rest} if rest else {}), doubt
    numbers = sorted(set(words) - set(unknown))
    if numbers and all(word in ("0", "1", "2", "3") for word in numbers) and "1" in numbers:
        good = ["0"] if "0" in numbers else ["2"] if "2" in numbers else []
        unknown += [word for word in numbers if word not in ("1", *good)]
        told = {"fraud": ["1"], "good": good} | ({"unknown": unknown} if unknown else {})
        return told, f"1 is taken as fraud, {' and '.join(good)} as good" + (
            f", {' and '.join(unknown)} as unknown" if unknown else ""
        )
    return None
