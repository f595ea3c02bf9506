"""What profile events said of entities: the latest value of each attribute."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.model import ATTRIBUTE_PREFIX
from ringfence.scoring.reference.table import IdTable, grown
from ringfence.scoring.text import Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch


class _Attribute:
    """One attribute by entity row.

    A number (booleans are 0 and 1) or a text; setting one unsets the other.
    """

    def __init__(self, numbers: Any = None, codes: Any = None, words: list[str] | None = None) -> None:
        self.numbers: Any = np.empty(0) if numbers is None else numbers
        self.codes: Any = np.empty(0, np.int32) if codes is None else codes
        self.words = words or []
        self._code = {word: code for code, word in enumerate(self.words)}

    def reserve(self, size: int) -> None:
        self.numbers = grown(self.numbers, size, np.nan)
        self.codes = grown(self.codes, size, -1)

    def set(self, rows: NDArray[np.int64], values: Any) -> None:
        """Non-null Arrow values for these rows; of several for one row the last stays."""
        numbers = codes = None
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            encoded = values.dictionary_encode()
            own = np.array([self._word(word) for word in encoded.dictionary.to_pylist()], np.int32)
            codes = own[encoded.indices.to_numpy(zero_copy_only=False)]
        elif not pa.types.is_null(values.type):
            numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
        self.numbers[rows] = np.nan if numbers is None else numbers
        self.codes[rows] = -1 if codes is None else codes

    def _word(self, word: str) -> int:
        code = self._code.setdefault(word, len(self.words))
        if code == len(self.words):
            self.words.append(word)
        return code


class _Entity:
    def __init__(self) -> None:
        self.table = IdTable()
        self.attributes: dict[str, _Attribute] = {}


class Profiles:
    """Latest attributes by entity type and id hash."""

    def __init__(self) -> None:
        self._entities: dict[str, _Entity] = {}

    def apply(self, entity_type: str, ids: NDArray[np.int64], batch: EventBatch) -> None:
        """Take over the non-null `attributes.*` of profile events of one entity type, in order."""
        entity = self._entities.setdefault(entity_type, _Entity())
        rows = entity.table.insert(ids)
        for name in batch.attribute_names:
            if name in batch.others:
                self._say(entity, name, rows, batch)
                continue
            values = batch.column(name)
            said = pc.is_valid(values).to_numpy(zero_copy_only=False) & (rows >= 0)
            if not said.any():
                continue
            attribute = entity.attributes.setdefault(name.removeprefix(ATTRIBUTE_PREFIX), _Attribute())
            attribute.reserve(len(entity.table))
            attribute.set(rows[said], values.filter(pa.array(said)))

    def _say(self, entity: _Entity, name: str, rows: NDArray[np.int64], batch: EventBatch) -> None:
        """An attribute that the batch has as a number and as a text: one event after the other."""
        numbers, texts = batch.number(name), batch.text(name).to_pylist()
        attribute = entity.attributes.setdefault(name.removeprefix(ATTRIBUTE_PREFIX), _Attribute())
        attribute.reserve(len(entity.table))
        for row, number, text in zip(rows.tolist(), numbers.tolist(), texts, strict=True):
            if row >= 0 and (text is not None or not np.isnan(number)):
                attribute.set(np.array([row]), pa.array([number if text is None else text]))

    def knows(self, entity_type: str, attribute: str) -> bool:
        """Whether anything has been said of this attribute."""
        entity = self._entities.get(entity_type)
        return entity is not None and attribute in entity.attributes

    def number(self, entity_type: str, attribute: str, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Numeric value per id, NaN where none is known."""
        found = self._find(entity_type, attribute, ids)
        if found is None:
            return np.full(ids.size, np.nan)
        rows, values = found
        out: NDArray[np.float64] = np.where(rows >= 0, values.numbers[rows], np.nan)
        return out

    def text(self, entity_type: str, attribute: str, ids: NDArray[np.int64]) -> Text:
        """Text per id, null where none is known."""
        found = self._find(entity_type, attribute, ids)
        if found is None:
            return Text(np.full(ids.size, -1, np.int32), [])
        rows, values = found
        return Text(np.where(rows >= 0, values.codes[rows], np.int32(-1)), values.words)

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
    ) -> tuple[Any, _Attribute] | None:
        entity = self._entities.get(entity_type)
        values = entity.attributes.get(attribute) if entity else None
        if entity is None or values is None:
            return None
        rows = entity.table.find(ids)
        rows[rows >= values.numbers.size] = -1  # known, but this attribute was never said of it
        return rows, values

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
                entity.attributes[name].reserve(len(entity.table))
                out[f"profiles.{entity_type}.{name}.numbers"] = entity.attributes[name].numbers[
                    : len(entity.table)
                ]
                out[f"profiles.{entity_type}.{name}.codes"] = entity.attributes[name].codes[
                    : len(entity.table)
                ]
        return out

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Profiles:
        """The state that `to_arrays` wrote."""
        profiles = cls()
        for entity_type, attributes in json.loads(arrays["profiles.json"].tobytes()).items():
            entity = profiles._entities.setdefault(entity_type, _Entity())
            entity.table = IdTable(arrays[f"profiles.{entity_type}.ids"])
            for name, words in attributes.items():
                numbers = arrays[f"profiles.{entity_type}.{name}.numbers"].copy()
                codes = arrays[f"profiles.{entity_type}.{name}.codes"].copy()
                entity.attributes[name] = _Attribute(numbers, codes, words)
        return profiles
