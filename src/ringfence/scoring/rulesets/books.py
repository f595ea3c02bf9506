"""Rule books as YAML: read with errors that name the line, written back, and the shipped one."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec
import yaml

from ringfence.errors import RuleError
from ringfence.masking import find_cards
from ringfence.scoring.rulesets.ruleset import RuleSet
from ringfence.scoring.rulesets.typologies import used

MAX_BYTES: Final = 4 << 20
MAX_DEPTH: Final = 16
MAX_NODES: Final = 50_000
"""Names, values and lists of a book: 2,500 rules have as many."""


def load_book(text: str, origin: str = "rules") -> RuleSet:
    """Rule set of a YAML (or JSON) text; RuleError names `origin` and the line of what is wrong.

    >>> rule = "{id: big, title: Big, when: amount > 9, points: 5, reason: BIG, analyst: Big.}"
    >>> load_book(f"rules: [{rule}]").rules[0].when
    'amount > 9'
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise RuleError(f"{origin}: larger than {MAX_BYTES >> 20} MiB")
    if find_cards(text, strict=True):
        raise RuleError(
            f"{origin}: a card number stands in it, which may not be kept: put the card on a list (ringfence "
            "lists add LIST NUMBER --entity card) and ask for card_id IN LIST 'LIST', or name its token"
        )
    root = _compose(text, origin)
    try:
        data = _with_shipped(_Loader("").construct_document(root), root, origin)
        return msgspec.convert(_extended(data, root, origin), RuleSet)
    except msgspec.ValidationError as error:
        raise RuleError(_located(str(error), root, origin)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise RuleError(f"{origin}: {error}") from error


def _with_shipped(data: Any, root: yaml.Node, origin: str) -> Any:
    """The book with each `use: NAME` of its typologies replaced by what it stands for."""
    items = data.get("typologies") if isinstance(data, dict) else None
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and "use" in item:
            try:
                data["typologies"][index] = used(item)
            except RuleError as error:
                raise RuleError(_located(f"{error} - at `$.typologies[{index}]`", root, origin)) from error
    return data


def _extended(data: Any, root: yaml.Node, origin: str) -> Any:
    """The book with the shipped one behind it where it says `extends: shipped`.

    Its own rules and typologies replace the shipped ones of the same id, its own policy single settings.
    """
    if not isinstance(data, dict) or "extends" not in data:
        return data
    if data.pop("extends") != "shipped":
        message = "the only book to extend is shipped: write `extends: shipped` - at `$.extends`"
        raise RuleError(_located(message, root, origin))
    base = msgspec.to_builtins(default_book())
    own_policy = data.get("policy", {})
    if isinstance(own_policy, dict):
        data["policy"] = base["policy"] | own_policy
    own = _ids(data.get("rules", [])) | _ids(data.get("typologies", []))
    for key in ("rules", "typologies"):
        items = data.setdefault(key, [])
        if isinstance(items, list):  # own ones first, so that the places of their faults are right
            data[key] = items + [item for item in base.get(key, ()) if item["id"] not in own]
    return {"zone": base.get("zone", "UTC")} | data


def _ids(items: Any) -> set[str]:
    told = items if isinstance(items, list) else ()
    return {str(item.get("id")) for item in told if isinstance(item, dict)}


_BASE: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # the same, ten times sooner


class _Loader(_BASE):  # type: ignore[misc]
    """Dates stay texts, as they are in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


_DUMPER = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper  # the same text, five times sooner


def dump_book(ruleset: RuleSet) -> str:
    """The YAML text that gives this rule set again."""
    return as_yaml(msgspec.to_builtins(ruleset))


def as_yaml(told: Any) -> str:
    """Names, values and lists as the YAML of a book or of a part of one."""
    text: str = yaml.dump(told, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=110)
    return text


@cache
def default_book() -> RuleSet:
    """The shipped rule book."""
    return load_book(default_book_text(), "default.yaml")


def shipped_rules_off(ruleset: RuleSet, origin: str) -> list[str]:
    """What to tell of a book that has none of the shipped rules; nothing of any other."""
    own, shipped = ruleset.every_rule, default_book().every_rule
    if {rule.id for rule in own} & {rule.id for rule in shipped}:
        return []
    rules = "1 rule" if len(own) == 1 else f"{len(own)} rules"
    off = f"the shipped {len(shipped)} are off: the line `extends: shipped` in it keeps them"
    return [f"{origin} has {rules}, and {off}"]


def default_book_text() -> str:
    """The shipped rule book as text, with its comments: what a new project starts from."""
    return (resources.files("ringfence.scoring") / "rulebook" / "default.yaml").read_text("utf-8")


def nodes_of(text: str) -> Any:
    """The nodes of a book's text, which know their lines."""
    return yaml.compose(text, _Loader)


def _compose(text: str, origin: str) -> Any:
    try:
        _check_events(text, origin)
        root = nodes_of(text)
    except yaml.MarkedYAMLError as error:
        last = text.count("\n")  # libyaml counts the end of a text as a line of its own
        line = f", line {min(error.problem_mark.line, last) + 1}" if error.problem_mark else ""
        raise RuleError(f"{origin}{line}: {error.problem or 'this is no YAML'}") from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:  # half a surrogate pair is no character
        raise RuleError(f"{origin}: this is no YAML") from error
    if not isinstance(root, yaml.MappingNode):
        raise RuleError(f"{origin}: a rule book is a mapping with the key 'rules'")
    _refuse_repeated_keys(root, origin)
    return root


def _check_events(text: str, origin: str) -> None:
    """Refuse what would make reading a book recurse or grow without bound."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, _Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = f", line {event.start_mark.line + 1}" if event.start_mark else ""
        if number > MAX_NODES:
            raise RuleError(f"{origin}{line}: more than {MAX_NODES:,} names and values: split the book")
        if depth > MAX_DEPTH:
            raise RuleError(f"{origin}{line}: nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            raise RuleError(f"{origin}{line}: YAML aliases (*name) are not taken: write the value out")


def _refuse_repeated_keys(root: yaml.Node, origin: str) -> None:
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.SequenceNode):
            pending += node.value
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                    raise RuleError(
                        f"{origin}, line {key.start_mark.line + 1}: this key is no name, or stands here twice"
                    )
                seen.add(key.value)
                pending.append(value)


def _located(message: str, root: yaml.Node, origin: str) -> str:
    """The message of a failed conversion with the line that its path (`$.rules[3].outcome`) leads to."""
    problem, _, path = message.partition(" - at `$")
    node, rule = root, ""
    for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        found = _child(node, key, index)
        if found is None:
            break
        node = found
        if index and not rule:
            named = _child(node, "id", "")
            rule = f"rule {named.value!r}: " if isinstance(named, yaml.ScalarNode) else ""
    return f"{origin}, line {node.start_mark.line + 1}: {rule}{problem}"


def _child(node: yaml.Node, key: str, index: str) -> yaml.Node | None:
    if index and isinstance(node, yaml.SequenceNode):
        return node.value[int(index)] if int(index) < len(node.value) else None
    if key and isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None
