"""A first mapping for a file that no shipped one fits: what each column seems to be, for somebody to check.

A guess by the names and by the values of the first rows. Whatever is not known to be anything becomes an
attribute, so that a model may learn from it. What is drafted has been tried on the file before it is shown.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ringfence.adapters.drafts.coordinates import (
    choose_coordinates,
    tell_unread_addresses,
    tell_unread_coordinates,
)
from ringfence.adapters.drafts.desk import DraftDesk
from ringfence.adapters.drafts.label_delay import choose_label_delay
from ringfence.adapters.drafts.labels import choose_label, known_late
from ringfence.adapters.drafts.money import is_scientific
from ringfence.adapters.drafts.paying import choose_amount
from ringfence.adapters.drafts.plan import MappingPlan
from ringfence.adapters.drafts.roles import (
    FIELDS,
    holds_cards,
    id_points,
    looks_dialled,
    looks_masked,
    names_somebody,
)
from ringfence.adapters.drafts.sample import Column, FileSample, sample_of
from ringfence.adapters.drafts.sides import find_sides
from ringfence.adapters.drafts.steps import choose_step
from ringfence.adapters.drafts.timing import choose_time, within_a_day
from ringfence.adapters.drafts.trial import MappingTrial, tried
from ringfence.errors import InputError
from ringfence.events.attributes import ATTRIBUTES_LIMIT
from ringfence.events.mapping import parse_mapping
from ringfence.events.model import ID_FIELDS
from ringfence.events.privacy.sensitive import named
from ringfence.masking import mask_cards
from ringfence.ports.mappings import MappingDraft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.ports.sources import Format

_TRIES: Final = 12
_MOSTLY_REFUSED: Final = 0.5
_FEW: Final = 20
_REPEATS: Final = 0.5  # share of different values
_HOURS: Final = 24
_GUESTS: Final = 2  # times as often as any other id, rows apart: so often stands what is no id
_NAMED: Final = 8
_SPREADSHEET: Final = 300  # ids looked at for what a spreadsheet has put around them
_KEYS: Final = (
    "customer_id", "account_id", "card_id", "merchant_id", "device_id", "terminal_id",
    "counterparty_id", "ip", "email",
    "phone",
)  # fmt: skip
_PERSONAL: Final = frozenset({"customer_id", "card_id", "device_id", "ip", "email", "phone"})
_NEEDED: Final = ("transaction_id", "event_time", "amount")


def draft_mapping(
    path: str, name: str, fmt: Format | None = None, *, now_ms: int, answers: Mapping[str, str] | None = None
) -> MappingDraft:
    """A mapping for the columns of a source, tried on it. `answers` settle questions of an earlier draft.

    `InputError` for a source without rows, and where no mapping can be told that takes most of its rows.
    """
    answers = dict(answers or {})
    sample = sample_of(path, fmt, answers.pop("encoding", None))
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    dropped: dict[str, str] = {}
    for _ in range(_TRIES):
        plan = _plan(sample, name, now, answers, dropped)
        _complete(plan, sample, path)
        trial = tried(path, parse_mapping(plan.toml(), f"the draft for {path}"), now_ms, fmt)
        culprit = _culprit(plan, trial)
        if culprit is None:
            break
        dropped[culprit] = trial.worst[1] if trial.worst else ""
    _acceptable(trial, path)
    remarks = [mask_cards(one) for one in dict.fromkeys((*plan.remarks, *trial.told()))]
    questions = [replace(one, text=mask_cards(one.text)) for one in plan.questions]
    return MappingDraft(
        mask_cards(plan.toml()),
        plan.choices(trial.values),
        remarks,
        questions,
        trial.refused.total(),
        trial.rows,
    )


def _plan(
    sample: FileSample, name: str, now: datetime, answers: Mapping[str, str], dropped: dict[str, str]
) -> MappingPlan:
    plan = MappingPlan(name, file=dict(sample.layout.options), remarks=list(sample.layout.remarks))
    left = {
        name: column
        for name, column in sample.columns.items()
        if column.rows and (column.texts or column.placeholders)
    }
    desk = DraftDesk(sample, left, plan, answers, now)
    _damaged(desk)
    _secrets(desk)
    choose_label(desk)
    choose_time(desk)
    choose_label_delay(desk)
    choose_amount(desk)
    _transaction(desk)
    choose_coordinates(desk)
    choose_step(desk)
    sides = find_sides(desk)
    for target, points in FIELDS.items():
        if target in dropped:
            plan.remarks.append(f"{target} is left out: {dropped[target]}")
        else:
            _field(desk, target, sides.get(target) or desk.best(target, points))
    tell_unread_addresses(desk)
    tell_unread_coordinates(desk)
    _placeholders(desk)
    _attributes(desk, dropped)
    _empty(desk, dropped)
    plan.fields = dict(sorted(plan.fields.items(), key=lambda item: _place(item[0])))
    return plan


def _place(name: str) -> int:
    order = (*_NEEDED, "currency")
    return order.index(name) if name in order else len(order)


def _complete(plan: MappingPlan, sample: FileSample, path: str) -> None:
    """`InputError` where a field is missing without which nothing is a payment."""
    missing = [name for name in _NEEDED if name not in plan.fields]
    if missing:
        if sample.columns and all(len(name) > 1 and name[0] == name[-1] == "'" for name in sample.columns):
            raise InputError(
                f"{path}: no mapping is written: its values stand between single quotes, which CSV does not "
                'know: export it with double quotes ("), or with none'
            )
        about = [one for one in plan.remarks if any(f"{name} is missing" in one for name in missing)]
        about += [one for one in sample.layout.remarks if "encoding" in one]
        raise InputError(f"{path}: no mapping is written, it would refuse every row: {'; '.join(about)}")


def _culprit(plan: MappingPlan, trial: MappingTrial) -> str | None:
    """A field or attribute that the rows do without and that has some of them refused."""
    for name, said in trial.refused:
        known = "card_id" if name == "card_number" else name.removeprefix("attributes.")
        if said and (known in FIELDS or known in plan.attributes) and known not in _NEEDED:
            return known
    return None


def _acceptable(trial: MappingTrial, path: str) -> None:
    if trial.rows and trial.refused.total() > _MOSTLY_REFUSED * trial.rows:
        raise InputError(
            f"{path}: no mapping is written, what can be told of the columns would refuse most rows: "
            f"{'; '.join(trial.told())}"
        )


def _damaged(desk: DraftDesk) -> None:
    """Ids that a spreadsheet has rounded are no ids any more."""
    for name, column in list(desk.left.items()):
        if is_scientific(column.different[:300]) and not column.meanings & {"amount", "value", "balance"}:
            desk.take(name)
            desk.plan.left_out[name] = f"damaged: {column.different[0]} was an id once"
            desk.plan.remarks.append(
                f"{name} is damaged: a spreadsheet has rounded its ids ({column.different[0]}), many rows "
                "share one now. It is no key of anything; export the file again with the column as text"
            )


def _secrets(desk: DraftDesk) -> None:
    for name in list(desk.left):
        if (meant := named(name)) and meant.surely:
            desk.take(name)
            desk.plan.left_out[name] = f"{meant.secret} are never kept"
            desk.plan.remarks.append(f"{name} is left out: {meant.secret} are never kept, because nobody may")


def _transaction(desk: DraftDesk) -> None:
    column = desk.best("transaction_id", id_points)
    if column is None:
        desk.plan.fields["transaction_id"] = {"row_id": True}
        repeated = [
            one.name
            for one in desk.left.values()
            if ("id" in one.meanings and one.meanings & {"txn", "payment", "order"}) or one.words == ("id",)
        ]
        said = "no column seems to be an id: each row gets one made of its content"
        desk.plan.remarks.append(said + (_no_id(desk.left[repeated[0]]) if repeated else ""))
        return
    desk.plan.fields["transaction_id"] = _id_in(desk, column)
    if column.unique < 1:
        times = len(column.texts) - len(column.different)
        desk.plan.remarks.append(
            f"{column.name} is taken as the payment's id, but {times} of {column.rows} rows repeat one: the "
            "first row of an id counts, others with the same id and other content are refused as conflicts"
        )
    if column.filled < 1:
        desk.plan.remarks.append(
            f"{column.name} is empty in {1 - column.filled:.0%} of the rows: those are refused"
        )


def _no_id(column: Column) -> str:
    """Why a column that is named as an id is none of payments."""
    missing = column.rows - len(column.texts)
    if column.unique < 1:
        return f" ({column.name} repeats)"
    return f" ({column.name} is empty in {missing:,} of {column.rows:,} rows)" if missing else ""


def _field(desk: DraftDesk, target: str, column: Column | None) -> None:
    if column is None:
        return
    if target != "card_id":
        if holds_cards(column):
            desk.plan.fields.setdefault("card_number", column.name)
            return
        desk.plan.fields[target] = _id_in(desk, column) if target in ID_FIELDS else column.name
        return
    if holds_cards(column):
        desk.plan.fields["card_number"] = column.name
        return
    if looks_masked(column):
        shown = [len(re.sub(r"\D", "", text)) for text in column.different[:50]]
        if min(shown) < 8:
            desk.plan.attributes[column.name] = {"column": column.name, "type": "text"}
            desk.plan.remarks.append(
                f"{column.name} shows only the last digits of cards: too few to tell cards apart"
            )
            return
        desk.plan.remarks.append(
            f"{column.name} holds masked card numbers: cards that show the same digits count as one card"
        )
    desk.plan.fields["card_id"] = _id_in(desk, column)


def _id_in(desk: DraftDesk, column: Column) -> str | dict[str, str]:
    """Where ids stand, without what a spreadsheet put around them: ="007", 1001.0."""
    if float in column.kinds:
        return column.name  # whole numbers, which are read as such
    some = column.different[:_SPREADSHEET]
    marked = [text for text in column.different if re.fullmatch(r"'[^'\s]*\d[^'\s]*", text)]
    if marked:
        desk.plan.remarks.append(
            f"{column.name} holds ids with a spreadsheet's mark of texts before them ({marked[0]}): the "
            "apostrophe is left out"
        )
        return {"column": column.name, "strip_prefix": "'"}
    for pattern, around, said in (
        (r'="[^"]*"', {"strip_prefix": '="', "strip_suffix": '"'}, 'the =" and " around them are'),
        *(
            (rf"[0-9]+(?:{re.escape(zeros)})?", {"strip_suffix": zeros}, f"the {zeros} behind some is")
            for zeros in (".0", ",0", ".00", ",00")
        ),
    ):
        odd = next((text for text in some if not text.isdigit()), None)
        if odd and all(re.fullmatch(pattern, text) for text in some):
            desk.plan.remarks.append(
                f"{column.name} holds ids as a spreadsheet writes them ({odd}): {said} left out"
            )
            return {"column": column.name, **around}
    return column.name


def _placeholders(desk: DraftDesk) -> None:
    """Texts that stand for nothing are null; one value that most rows share is no key."""
    found: Counter[str] = Counter()
    kept = False  # ids that count from 0
    for target in _KEYS:
        source = desk.plan.fields.get(target)
        column = desk.sample.columns.get(source) if isinstance(source, str) else None
        if column is None:
            continue
        kept = kept or ("0" in column.placeholders and _counted(column))
        found.update(
            {
                text: count
                for text, count in column.placeholders.items()
                if text != "0" or not _counted(column)
            }
        )
        _, count = Counter(column.texts).most_common(1)[0] if column.texts else ("", 0)
        if target in _PERSONAL and count > max(column.rows / 2, _FEW):
            desk.plan.remarks.append(
                f"{target}: one value of {column.name} stands in {count} of {column.rows} rows; if it means "
                "nothing, add it to null_values"
            )
    if kept:
        desk.plan.top["keep_values"] = ["0"]
    if found:
        desk.plan.top["null_values"] = sorted(found)
        said = ", ".join(f"{text!r} ({count})" for text, count in found.most_common(6))
        desk.plan.remarks.append(f"placeholders are taken as missing: {said}")


def _counted(column: Column) -> bool:
    """Whether ids count from 0 on, so that 0 is one of them; who orders as a guest is no customer 0."""
    counts = Counter(text for text, _ in itertools.groupby(column.texts))  # rows may be sorted by customer
    others = [count for text, count in counts.items() if text != "0"]
    usual = counts["0"] <= _GUESTS * max(others, default=0)
    return usual and any(text in counts for text in "123456789")


def _attributes(desk: DraftDesk, dropped: dict[str, str]) -> None:
    plan = desk.plan
    for name, column in desk.left.items():
        if name in dropped:
            plan.left_out[name] = "its values were refused"
            plan.remarks.append(f"{name} is left out: {dropped[name]}")
        elif known_late(column):
            plan.left_out[name] = "it seems to be known only after the payment"
            plan.remarks.append(f"{name} is left out: it seems to be known only after the payment")
        elif _is_clock(column) and not (_is_hour(column) and within_a_day(desk)):
            plan.left_out[name] = "it only ever grows, as a clock or a counter does"
            plan.remarks.append(f"{name} is left out: it only ever grows, as a clock or a counter does")
        elif len(plan.attributes) >= ATTRIBUTES_LIMIT:
            said = f"at most {ATTRIBUTES_LIMIT} attributes are taken: the columns after these are left out"
            plan.remarks += [said] if said not in plan.remarks else []
        elif column.texts:
            plan.attributes[name] = {"column": name, "type": _type(column)}


def _empty(desk: DraftDesk, dropped: dict[str, str]) -> None:
    """Columns without a value in the rows that were looked at may have some later, of whatever kind."""
    plan, found = desk.plan, []
    for name, column in desk.sample.columns.items():
        told = column.texts or column.placeholders or not column.rows or known_late(column)
        secret = (meant := named(name)) and meant.surely
        if told or secret or name in dropped or len(plan.attributes) >= ATTRIBUTES_LIMIT:
            continue
        plan.attributes[name] = {"column": name, "type": "number" if column.kinds & {int, float} else "text"}
        found.append(name)
    if found:
        shown = (
            f"{', '.join(found[:_NAMED])}{f' and {len(found) - _NAMED} more' if len(found) > _NAMED else ''}"
        )
        plan.remarks.append(
            f"no value in the first {desk.sample.rows:,} rows: {shown}. Kept as they are, in case later rows "
            "have some: take out those that are always empty"
        )


def _type(column: Column) -> str:
    if column.kinds == {bool}:
        return "boolean"
    if names_somebody(column):
        return "text"
    if column.kinds <= {int, float}:
        return "number"
    numbers = all(
        re.fullmatch(r"[+-]?(0|[1-9]\d*)?(\.\d+)?([eE][+-]?\d+)?", text) for text in column.different
    )
    long = any(len(text) > 15 and text.isdigit() for text in column.different[:50])
    coded = column.meanings & {"id", "ref", "code", "masked", "category"}
    text = long or coded or holds_cards(column) or looks_dialled(column)
    return "number" if numbers and not text else "text"


def _is_clock(column: Column) -> bool:
    """Numbers that only ever grow."""
    if len(column.texts) < _FEW or _type(column) != "number":
        return False
    numbers = [float(text) for text in column.texts]
    rising = all(one <= two for one, two in itertools.pairwise(numbers))
    return rising and numbers[-1] > numbers[0]


def _is_hour(column: Column) -> bool:
    """Few different numbers that a time of day may have, in hours or as a share of the day."""
    return column.unique < _REPEATS and all(0 <= float(text) <= _HOURS for text in column.different)
