"""Whether messages arrive: one to every destination, on request."""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from ringfence.bus.notifier import AttemptEnd, Message
from ringfence.bus.subscription import kind_of, shown, target_of
from ringfence.bus.words import Words
from ringfence.cli.setup.checks.check import Check, State
from ringfence.compose.folder.bus import has_outbox
from ringfence.compose.folder.bus import messages as opened
from ringfence.compose.messaging.alerts import alert_policy
from ringfence.compose.messaging.notifiers import notifier
from ringfence.errors import InputError
from ringfence.masking import lettered
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TYPE = "com.ringfence.test.sent.v1"
_FAILED = (
    "Mend it there: what waits follows within a minute, and dead letters by `ringfence outbox retry --to` "
    "the address."
)
_BY_END = {
    AttemptEnd.GONE: "It wants no messages any more: `ringfence bus remove` the subscription, or mend it and "
    "`ringfence bus enable` the address."
}


def messages(folder: Path) -> Iterator[Check]:
    """Send a test message to each destination of subscriptions and of the alert policy; what each said."""
    policy = alert_policy()
    secrets_of: dict[str, tuple[str, ...]] = dict.fromkeys((*policy.team, *policy.escalate_to), ())
    if has_outbox(folder):
        with opened(folder) as kept:
            known = [one for one in kept.outbox.destinations() if not one.address.startswith("customer:")]
        secrets_of |= {one.address: one.secrets for one in known}
    if not secrets_of:
        yield Check("messages", State.NOTE, "alerts reach nobody: there is no subscription and no team")
    for address, signing in sorted(secrets_of.items()):
        yield _sent(address, signing)


def _sent(address: str, signing: tuple[str, ...]) -> Check:
    part, kind = f"message to {shown(address)}", kind_of(address)
    try:
        sender = notifier(kind, load_settings())
    except InputError as error:
        return Check(part, State.BAD, "not set up", str(error))
    test_id = f"test:{lettered(secrets.token_hex(8))}"
    event = {"specversion": "1.0", "id": test_id, "source": "/ringfence/doctor", "type": _TYPE, "data": {}}
    words = Words("A test message of ringfence doctor", (("", "Nothing has happened."),))
    to = target_of(address, kind)
    with closing(sender):
        outcome = sender.deliver(Message(test_id, msgspec.json.encode(event), words, to, signing))
    if outcome.answer is AttemptEnd.DELIVERED:
        return Check(part, State.FINE, outcome.said or "delivered")
    mended = _BY_END.get(outcome.answer, _FAILED)
    return Check(part, State.BAD, outcome.said, mended)
