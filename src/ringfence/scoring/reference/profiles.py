"""What profile events said of entities: the latest value of each attribute."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.model import ATTRIBUTE_PREFIX
from ringfence.scoring.language.text import Text
from ringfence.scoring.reference.table import IdTable, grown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch


MOST_NAMES: Final = 16_384
"""Names of attributes of one entity type, the first that are said: each takes a kilobyte."""

_SMALL = 1024  # entities: an attribute of so few has a place for each
_SPARSE = 4  # an attribute has a place for each entity once one of so many has it


class _Values(NamedTuple):
    """Values by place. The place of an entity is its row, or where `places` has it; replaced as a whole."""

    places: IdTable | None  # keys are rows + 1
    numbers: Any
    codes: Any

    def find(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Place of each entity row, -1 where nothing was said."""
        at = rows if self.places is None else self.places.find(rows + 1)
        return np.where(at < self.numbers.size, at, -1)


class _Attribute:
    """One attribute by entity row.

    A number (booleans are 0 and 1) or a text; setting one unsets the other. Memory grows with the entities
    that have the attribute, not with all that are known.
    """

    def __init__(
        self,
        values: _Values | None = None,
        words: list[str] | None = None,
        code: dict[str, int] | None = None,
    ) -> None:
        """`code` is where each of the words is; a view never asks, and shares it."""
        self.values = values or _Values(IdTable(), np.empty(0), np.empty(0, np.int32))
        self.words = words or []
        self._code = {word: at for at, word in enumerate(self.words)} if code is None else code
        self._is_shared = False  # with a view: copied before it changes

    def view(self) -> _Attribute:
        self._is_shared = True
        places, numbers, codes = self.values
        values = _Values(None if places is None else places.view(), numbers, codes)
        return _Attribute(values, self.words, self._code)

    def _place(self, rows: NDArray[np.int64], known: int) -> NDArray[np.int64]:
        """Places for these rows of `known` entities."""
        places, numbers, codes = self.values
        if places is None and known > max(numbers.size, _SMALL):  # to grow: perhaps only few have it
            held = np.flatnonzero(~np.isnan(numbers) | (codes >= 0))
            if _SPARSE * (held.size + rows.size) < known:
                places, numbers, codes = IdTable(held + 1), numbers[held], codes[held]
        if places is not None and (known <= _SMALL or _SPARSE * (len(places) + rows.size) >= known):
            held = places.ids() - 1
            wide = grown(np.empty(0), known, np.nan), grown(np.empty(0, np.int32), known, -1)
            wide[0][held], wide[1][held] = numbers[: held.size], codes[: held.size]
            places, numbers, codes = None, *wide
        at = rows if places is None else places.insert(rows + 1)
        size = known if places is None else len(places)
        self.values = _Values(places, grown(numbers, size, np.nan), grown(codes, size, -1))
        return at

    def state(self, known: int) -> dict[str, Any]:
        """Arrays of `known` entities: `rows` where not each of them has a place."""
        places, numbers, codes = self.values
        if places is None:
            return {
                "numbers": grown(numbers, known, np.nan)[:known],
                "codes": grown(codes, known, -1)[:known],
            }
        held = places.ids() - 1
        return {"rows": held, "numbers": numbers[: held.size], "codes": codes[: held.size]}

    def set(self, rows: NDArray[np.int64], values: Any, known: int) -> None:
        """Non-null Arrow values for these rows of `known` entities; of several for one row the last stays."""
        if self._is_shared:
            places, held, held_codes = self.values
            self.values, self.words = _Values(places, held.copy(), held_codes.copy()), self.words[:]
            self._is_shared = False
        numbers = codes = None
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            encoded = values.dictionary_encode()
            own = np.array([self._word(word) for word in encoded.dictionary.to_pylist()], np.int32)
            codes = own[encoded.indices.to_numpy(zero_copy_only=False)]
        elif not pa.types.is_null(values.type):
            numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
        at = self._place(rows, known)
        self.values.numbers[at] = np.nan if numbers is None else numbers
        self.values.codes[at] = -1 if codes is None else codes

    def _word(self, word: str) -> int:
        code = self._code.setdefault(word, len(self.words))
        if code == len(self.words):
            self.words.append(word)
        return code


class _Entity:
    def __init__(self) -> None:
        self.table = IdTable()
        self.attributes: dict[str, _Attribute] = {}

    def view(self) -> _Entity:
        view = _Entity()
        view.table = self.table.view()
        view.attributes = {name: attribute.view() for name, attribute in self.attributes.items()}
        return view


def _said(batch: EventBatch, name: str) -> NDArray[np.bool_]:
    """In which rows an attribute has a value."""
    values = batch.text(name) if name in batch.others else batch.column(name)
    valid: NDArray[np.bool_] = pc.is_valid(values).to_numpy(zero_copy_only=False)
    return valid | ~np.isnan(batch.number(name)) if name in batch.others else valid


class Profiles:
    """Latest attributes by entity type and id hash.

    `left_out` counts values of names beyond the most since the start: they are in the log and nowhere else.
    """

    def __init__(self, most_names: int = MOST_NAMES) -> None:
        self._entities: dict[str, _Entity] = {}
        self._most = most_names
        self.left_out = 0

    def apply(self, entity_type: str, ids: NDArray[np.int64], batch: EventBatch) -> None:
        """Take over the non-null `attributes.*` of profile events of one entity type, in order."""
        entity = self._entities.setdefault(entity_type, _Entity())
        rows = entity.table.insert(ids)
        for name in self._kept(entity, rows, batch):
            if name in batch.others:
                self._say(entity, name, rows, batch)
                continue
            values = batch.column(name)
            said = pc.is_valid(values).to_numpy(zero_copy_only=False) & (rows >= 0)
            if not said.any():
                continue
            attribute = entity.attributes.setdefault(name.removeprefix(ATTRIBUTE_PREFIX), _Attribute())
            attribute.set(rows[said], values.filter(pa.array(said)), len(entity.table))

    def _kept(self, entity: _Entity, rows: NDArray[np.int64], batch: EventBatch) -> Sequence[str]:
        """Names there is room for. Of new ones those said first, in one event by the alphabet, are kept.

        So it is the same whichever events come in one batch.
        """
        names = batch.attribute_names
        known = entity.attributes
        new = [name for name in names if name.removeprefix(ATTRIBUTE_PREFIX) not in known]
        if len(known) + len(new) <= self._most:
            return names
        said = {name: np.flatnonzero(_said(batch, name) & (rows >= 0)) for name in new}
        order = sorted((name for name in new if said[name].size), key=lambda name: (said[name][0], name))
        room = self._most - len(known)
        self.left_out += sum(said[name].size for name in order[room:])
        passed = {*new} - {*order[:room]}
        return [name for name in names if name not in passed]

    def _say(self, entity: _Entity, name: str, rows: NDArray[np.int64], batch: EventBatch) -> None:
        """An attribute that the batch has as a number and as a text: one event after the other."""
        numbers, texts = batch.number(name), batch.text(name).to_pylist()
        attribute = entity.attributes.setdefault(name.removeprefix(ATTRIBUTE_PREFIX), _Attribute())
        known = len(entity.table)
        for row, number, text in zip(rows.tolist(), numbers.tolist(), texts, strict=True):
            if row >= 0 and (text is not None or not np.isnan(number)):
                attribute.set(np.array([row]), pa.array([number if text is None else text]), known)

    def knows(self, entity_type: str, attribute: str) -> bool:
        """Whether anything has been said of this attribute."""
        entity = self._entities.get(entity_type)
        return entity is not None and attribute in entity.attributes

    def number(self, entity_type: str, attribute: str, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Numeric value per id, NaN where none is known."""
        found = self._find(entity_type, attribute, ids)
        if found is None:
            return np.full(ids.size, np.nan)
        at, values, _ = found
        out: NDArray[np.float64] = np.where(at >= 0, values.numbers[at], np.nan)
        return out

    def text(self, entity_type: str, attribute: str, ids: NDArray[np.int64]) -> Text:
        """Text per id, null where none is known."""
        found = self._find(entity_type, attribute, ids)
        if found is None:
            return Text(np.full(ids.size, -1, np.int32), [])
        at, values, words = found
        return Text(np.where(at >= 0, values.codes[at], np.int32(-1)), words)

    def attributes(self, entity_type: str, id_hash: int) -> dict[str, float | str]:
        """All that is known of one entity, by attribute."""
        ids = np.array([id_hash])
        found: dict[str, float | str] = {}
        for name in sorted(self._entities[entity_type].attributes) if entity_type in self._entities else ():
            number, text = self.number(entity_type, name, ids)[0], self.text(entity_type, name, ids)
            if text.codes[0] >= 0:
                found[name] = text.words[text.codes[0]]
            elif not np.isnan(number):
                found[name] = float(number)
        return found

    def _find(
        self, entity_type: str, attribute: str, ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], _Values, list[str]] | None:
        """Places, values and words of the attribute; None where it was never said of anybody."""
        entity = self._entities.get(entity_type)
        found = entity.attributes.get(attribute) if entity else None
        if entity is None or found is None or not found.values.numbers.size:
            return None
        values = found.values
        return values.find(entity.table.find(ids)), values, found.words

    def view(self) -> Profiles:
        """The profiles as they are now, for any thread; an attribute is copied once, before it changes."""
        view = Profiles()
        view._entities = {name: entity.view() for name, entity in self._entities.items()}
        return view

    def to_arrays(self) -> dict[str, Any]:
        """State as arrays; `from_arrays` gives it back."""
        out: dict[str, Any] = {}
        names = {
            entity_type: sorted(entity.attributes) for entity_type, entity in sorted(self._entities.items())
        }
        words = {
            t: {a: self._entities[t].attributes[a].words for a in attributes}
            for t, attributes in names.items()
        }
        out["profiles.json"] = np.frombuffer(json.dumps(words, sort_keys=True).encode(), np.uint8)
        for entity_type, attributes in names.items():
            entity = self._entities[entity_type]
            out[f"profiles.{entity_type}.ids"] = entity.table.ids()
            for name in attributes:
                for part, array in entity.attributes[name].state(len(entity.table)).items():
                    out[f"profiles.{entity_type}.{name}.{part}"] = array
        return out

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Profiles:
        """The state that `to_arrays` wrote."""
        profiles = cls()
        for entity_type, attributes in json.loads(arrays["profiles.json"].tobytes()).items():
            entity = profiles._entities.setdefault(entity_type, _Entity())
            entity.table = IdTable(arrays[f"profiles.{entity_type}.ids"])
            for name, words in attributes.items():
                prefix = f"profiles.{entity_type}.{name}"
                rows = arrays.get(f"{prefix}.rows")  # a snapshot without it has a place for each entity
                places = None if rows is None else IdTable(rows + 1)
                values = _Values(places, arrays[f"{prefix}.numbers"].copy(), arrays[f"{prefix}.codes"].copy())
                entity.attributes[name] = _Attribute(values, words)
        return profiles
