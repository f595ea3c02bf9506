"""The answers of thousands of decisions at once, column by column: the bytes that `answers` would write."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, overload

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.decisions.decision import PROBABILITY
from ringfence.scoring.language.words import in_words, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ringfence.api.hot.phrases import Phrases
    from ringfence.decisions.decision import DecisionBatch

_ENCODER: Final = msgspec.json.Encoder()
_NOTHING: Final = pa.scalar("")
_NO_REASONS: Final = pa.scalar("[]")
_QUOTE, _BACKSLASH, _SPACE = b'"\\ '


class Bodies(Sequence[bytes]):
    """JSON objects in one Arrow array; one becomes bytes of its own when it is asked for."""

    __slots__ = ("texts",)

    def __init__(self, texts: Any) -> None:
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Bodies: ...
    def __getitem__(self, index: int | slice) -> bytes | Bodies:
        if isinstance(index, slice):
            return Bodies(self.texts[index])
        body: bytes = self.texts[index].as_buffer().to_pybytes()
        return body

    def __iter__(self) -> Iterator[bytes]:
        content, places = _content(self.texts), _places(self.texts)
        return (content[begin:end] for begin, end in pairwise((places - places[0]).tolist()))


def lines(bodies: Bodies, before: bytes, after: bytes, first: int) -> bytes:
    """Every body between two texts, one after the other; `%d` of the first text is its number from `first`.

    >>> lines(Bodies(pa.array(["{}", "[]"])), b"%d: ", b";", 7)
    b'7: {};8: [];'
    """
    begin, end = before.decode().split("%d")
    numbers = pa.array(np.arange(first, first + len(bodies))).cast(pa.string())
    joined = pc.binary_join_element_wise(begin, numbers, end, bodies.texts, after.decode(), _NOTHING)
    return _content(joined)


def encode(
    decisions: DecisionBatch, phrases: Phrases | None, versions: bytes, models: Mapping[int, bytes]
) -> Bodies:
    """One JSON object per decision. `models` holds the reasons of the rows in which a model gives some."""
    table = decisions.table
    column = table.column
    outcomes = column("outcome")
    labels = [f',"outcome":"{label}","score":' for label in outcomes.dictionary.to_pylist()]
    typologies = _pairs(column("typologies"), column("typology_scores"))
    reasons = _reasons(decisions, phrases, models)
    joined = pc.binary_join_element_wise(
        '{"transaction_id":',
        _ids(column("transaction_id")),
        pa.array(labels).take(outcomes.indices),
        _numbers(column("score")),
        ',"probability":',
        _numbers(column("probability")),
        ',"reasons":',
        reasons,
        ',"shadow_rules":[',
        _labels(column("shadow_rules")),
        '],"typologies":{',
        typologies,
        '},"degraded":[',
        _labels(column("degraded")),
        '],"offset":',
        column("offset").cast(pa.string()),
        ',"event_time_ms":',
        column("event_time_ms").cast(pa.string()),
        ',"decided_at_ms":',
        _numbers(column("decided_at_ms")),
        ',"latency_us":',
        _numbers(column("latency_us")),
        f',"versions":{versions.decode()}}}',
        _NOTHING,
    )
    return Bodies(joined)


def _ids(column: Any) -> Any:
    """Texts that hardly ever come twice, quoted."""
    content = np.frombuffer(_content(column), np.uint8)
    if ((content < _SPACE) | (content == _QUOTE) | (content == _BACKSLASH)).any():
        return pa.array([_ENCODER.encode(text).decode() for text in column.to_pylist()])
    return pc.binary_join_element_wise('"', column, '"', _NOTHING)


def _numbers(column: Any) -> Any:
    """Numbers that tend to come again."""
    if column.null_count == len(column):
        return pa.scalar("null")
    known = column.dictionary_encode()
    texts = _ENCODER.encode(known.dictionary.to_pylist())[1:-1].decode().split(",")
    if len(texts) == 1 and not column.null_count:
        return pa.scalar(texts[0])
    return pa.array(texts).take(known.indices).fill_null("null")


def _labels(lists: Any) -> Any:
    """The inside of a JSON array of texts."""
    flat = lists.flatten()
    return _within(lists, _named(flat)) if len(flat) else _NOTHING


def _pairs(names: Any, values: Any) -> Any:
    """The inside of a JSON object of numbers."""
    flat = names.flatten()
    if not len(flat):
        return _NOTHING
    return _within(names, pc.binary_join_element_wise(_named(flat), _numbers(values.flatten()), ":"))


def _named(flat: Any) -> Any:
    """A few texts again and again, quoted."""
    known = flat.dictionary_encode()
    return pa.array([_ENCODER.encode(text).decode() for text in known.dictionary.to_pylist()]).take(
        known.indices
    )


def _within(lists: Any, flat: Any) -> Any:
    """The elements of each list, now these texts, between commas."""
    return _between_commas(_offsets(lists), flat)


def _between_commas(offsets: NDArray[np.int32], flat: Any) -> Any:
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), flat), ",")


def _offsets(lists: Any) -> NDArray[np.int32]:
    offsets: NDArray[np.int32] = lists.offsets.to_numpy()
    return offsets - offsets[0]


def _reasons(decisions: DecisionBatch, phrases: Phrases | None, models: Mapping[int, bytes]) -> Any:
    """A JSON array for each decision."""
    codes = decisions.table.column("reasons")
    if not len(codes.flatten()):
        return _NO_REASONS
    if phrases is None:
        known = codes.flatten().dictionary_encode()
        words = [
            f'{{"code":{_ENCODER.encode(code).decode()},"rule":"","analyst":"","customer":""}}'
            for code in known.dictionary.to_pylist()
        ]
        inside = _within(codes, pa.array(words).take(known.indices))
    else:
        inside = _said(decisions, phrases)
    told = pc.binary_join_element_wise("[", inside, "]", _NOTHING)
    told = pc.if_else(pc.equal(codes.value_lengths(), 0), _NO_REASONS, told)
    if phrases is None or not models:
        return told
    rows = np.zeros(len(told), np.bool_)
    rows[list(models)] = True
    return pc.replace_with_mask(
        told, pa.array(rows), pa.array([models[row].decode() for row in sorted(models)])
    )


def _said(decisions: DecisionBatch, phrases: Phrases) -> Any:
    """What the fired rules have to say, between commas, for each decision."""
    lists = decisions.table.column("rules")
    offsets = _offsets(lists)
    rows = np.repeat(np.arange(len(lists)), np.diff(offsets))
    known = lists.flatten().dictionary_encode()
    which = known.indices.to_numpy()
    parts, places = [pa.array([], pa.string())], [np.zeros(0, np.int64)]
    for number, rule in enumerate(known.dictionary.to_pylist()):
        template = phrases.template(rule)
        if template is None:
            continue
        here = np.flatnonzero(which == number)
        parts.append(_filled(template, decisions, rows[here]))
        places.append(here)
    place = np.concatenate(places)
    flat = pa.concat_arrays(parts).take(pa.array(np.argsort(place)))
    counts = np.bincount(rows[place], minlength=len(lists))
    return _between_commas(np.append(0, np.cumsum(counts)).astype(np.int32), flat)


def _filled(template: Sequence[str], decisions: DecisionBatch, rows: NDArray[np.int64]) -> Any:
    """A template (texts at even places, names at odd ones) for these rows."""
    if len(template) == 1:
        return pa.repeat(template[0], len(rows))
    pieces = [
        _words(name_or_text, decisions, rows) if place % 2 else name_or_text
        for place, name_or_text in enumerate(template)
    ]
    return pc.binary_join_element_wise(*pieces, _NOTHING)


def _words(name: str, decisions: DecisionBatch, rows: NDArray[np.int64]) -> Any:
    """What a name stands for in these rows, as texts of rules show it."""
    known, form = split(name)
    values = _values(known, decisions)
    if values is None:
        return _ENCODER.encode(f"{{{name}}}").decode()[1:-1]
    distinct, inverse = np.unique(values[rows], return_inverse=True)
    words = [in_words(None if value != value else value, form) for value in distinct.tolist()]  # noqa: PLR0124 (NaN)
    return pa.array(words).take(pa.array(inverse))


def _values(name: str, decisions: DecisionBatch) -> NDArray[np.float64] | None:
    """Row by row, NaN where unknown; None for a name that means nothing."""
    table = decisions.table
    kind, _, rest = name.partition(".")
    if kind == "typology":
        found = np.zeros(len(decisions))
        names = table.column("typologies")
        rows = np.repeat(np.arange(len(decisions)), names.value_lengths().to_numpy())
        here = pc.equal(names.flatten(), rest).to_numpy(zero_copy_only=False)
        found[rows[here]] = table.column("typology_scores").flatten().to_numpy()[here]
        return found
    if name not in decisions.feature_names and (name != PROBABILITY):
        return None
    if name == PROBABILITY:
        name = "probability"
    values: NDArray[np.float64] = table.column(name).to_numpy(zero_copy_only=False)
    return values


def _content(texts: Any) -> bytes:
    """All texts of an Arrow array, one after the other."""
    data, places = texts.buffers()[2], _places(texts)
    content: bytes = data.slice(places[0], places[-1] - places[0]).to_pybytes() if data is not None else b""
    return content


def _places(texts: Any) -> NDArray[np.int32]:
    """Where each text begins in what backs the array, and where the last one ends."""
    offsets = texts.buffers()[1]
    return np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
