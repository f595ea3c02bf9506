"""Puts together what alerts need: the policy, templates of your own, and rules for reasons in words."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringfence.alerts.answers import Asked, answer_key, signed
from ringfence.alerts.buttons import button_key, buttons_of
from ringfence.alerts.events import Wording
from ringfence.alerts.policy import FILE_NAME, LANGUAGES, AlertPolicy, parse_policy
from ringfence.alerts.wording import MOST_BYTES, NAMES, check_template
from ringfence.errors import InputError, RingfenceError
from ringfence.events.values.texts import TOML_LIMIT, read_text
from ringfence.scoring.rulesets.ruleset import RuleSet
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.bus.words import Button
    from ringfence.store import DataFolder


def alert_policy(file: Path | None = None) -> AlertPolicy:
    """The policy in a file; without one that of `alerts.toml` in the current folder, or the shipped one.

    `InputError` names what is wrong with it, or with one of its templates.
    """
    chosen = file or load_settings().alerts
    if chosen is None:
        chosen = Path(FILE_NAME)
        if not chosen.is_file():
            return AlertPolicy()
    policy = parse_policy(_read(chosen, TOML_LIMIT), str(chosen))
    templates(policy)
    return policy


def templates(policy: AlertPolicy) -> dict[str, str]:
    """Templates of your own by `AUDIENCE.LANGUAGE`, all of them checked; `InputError` names the file."""
    if not policy.templates:
        return {}
    folder, found = Path(policy.templates), {}
    if not folder.is_dir():
        raise InputError(f"templates: there is no folder {folder}")
    known = {f"{audience}.{language}" for audience in NAMES for language in LANGUAGES}
    for path in sorted(folder.glob("*.txt")):
        if path.stem not in known:
            raise InputError(f"{path}: templates are named {', '.join(sorted(known))}, each with .txt")
        text = _read(path, MOST_BYTES)
        try:
            check_template(path.stem.partition(".")[0], text)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        found[path.stem] = text
    return found


def alert_words(policy: AlertPolicy, secret: bytes, *, has_buttons: bool = False) -> Wording:
    """Messages as the policy wants them; links for answers, and buttons, are signed by a store's secret."""
    key, of_buttons = answer_key(secret), button_key(secret)

    def link(data: dict[str, Any]) -> str:
        if not policy.answer_url:
            return ""
        decision = data["decision"]
        expires_ms = decision["decided_at_ms"] + policy.answer_for_ms
        about = Asked(data["alert"]["id"], decision["transaction_id"], expires_ms, bool(data.get("is_ours")))
        token = signed(key, about)
        return f"{policy.answer_url.rstrip('/')}/answer/{token}"

    def buttons(data: dict[str, Any], language: str) -> tuple[Button, ...]:
        return buttons_of(of_buttons, data, language) if has_buttons else ()

    return Wording(policy, templates(policy), link, buttons)


def rules_by_digest(store: DataFolder) -> Callable[[str], RuleSet | None]:
    """Rule sets as they were; None for one that cannot be read."""

    @cache
    def find(digest: str) -> RuleSet | None:
        try:
            found = store.registry.find("rules", digest) if digest else None
            return RuleSet.from_json(found.body) if found else None
        except RingfenceError:
            return None

    return find


def _read(path: Path, limit: int) -> str:
    try:
        return read_text(path, limit)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from error
