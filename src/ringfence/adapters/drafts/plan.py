"""A mapping in the making: what was chosen and why, what is to be asked, and its text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from ringfence.ports.mappings import FieldChoice, Question

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(slots=True)
class MappingPlan:
    """The parts of a mapping."""

    name: str
    top: dict[str, Any] = field(default_factory=dict)
    file: dict[str, Any] = field(default_factory=dict)
    label: dict[str, Any] | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)  # columns, and why
    runners: dict[str, str] = field(default_factory=dict)  # fields, and the column that came second
    remarks: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    def toml(self) -> str:
        """The mapping's text, with what was left out as comments."""
        lines = [f"name = {_value(self.name)}", *(f"{key} = {_value(one)}" for key, one in self.top.items())]
        if self.file:
            lines += ["", "[file]", *(f"{_key(key)} = {_value(one)}" for key, one in self.file.items())]
        lines += ["", "[[records]]"]
        if self.label is not None:
            lines.append(f"label = {_value(self.label)}  # the delay: how long reports of fraud take")
        lines += ["", "[records.fields]"]
        for name, source in self.fields.items():
            other = self.runners.get(name)
            lines.append(f"{name} = {_value(source)}" + (f"  # or: {_comment(other)}" if other else ""))
        if self.attributes or self.left_out:
            lines += ["", "[records.attributes]"]
            lines += [f"{_key(name)} = {_value(source)}" for name, source in self.attributes.items()]
            lines += [f"# {_comment(name)}: left out, {why}" for name, why in self.left_out.items()]
        return "\n".join(lines) + "\n"

    def choices(self, values: dict[str, tuple[str, ...]]) -> list[FieldChoice]:
        """What each field is read from, with its values as stored."""
        return [
            FieldChoice(name, _says(source), self.runners.get(name, ""), values.get(name, ()))
            for name, source in self.fields.items()
        ]


def _says(source: Any) -> str:
    """A field's source in few words.

    >>> _says({"column": "When", "format": "iso", "zone": "UTC"}), _says({"row_id": True})
    ('When (format iso, zone UTC)', 'an id made of the row')
    """
    if isinstance(source, str):
        return source
    rest = dict(source)
    if rest.pop("row_id", False):
        return "an id made of the row"
    if "constant" in rest:
        return f"always {rest['constant']}"
    if "join" in rest:
        parts = rest.pop("join")
        base = " + ".join(part if isinstance(part, str) else part["column"] for part in parts)
    elif "credit" in rest:
        base = f"{rest.pop('credit')} - {rest.pop('debit')}"
    else:
        base = rest.pop("column")
    said = ", ".join(f"{key} {one}" for key, one in rest.items())
    return f"{base} ({said})" if said else base


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _comment(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", " ", text)


def _value(value: Any) -> str:
    """A TOML value; texts in quotes that JSON and TOML share."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)
