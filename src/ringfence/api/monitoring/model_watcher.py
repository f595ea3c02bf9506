"""What the watch over models has found is told: as events of the log, and, if so set, by a promotion.

watch (another process, by the clock) ──► files of the data folder ──► looked at every few seconds
                                              alerts, news in the log ◄──┘──► a better model in force
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ringfence.access.approvals import ApprovalState, AwaitingApprovalError, Deed
from ringfence.api.monitoring.watcher import Watcher
from ringfence.compose.folder.approvals import open_approvals
from ringfence.compose.upkeep.watching import watch_book
from ringfence.desks.confirming import UnconfirmedError
from ringfence.desks.model_desk import Signed
from ringfence.desks.models import put_in_force
from ringfence.errors import InputError, RingfenceError, ScorerError
from ringfence.learning.watching.drift_alerts import record
from ringfence.learning.watching.model_news import PROPOSED, proposed, record_news, told_of, weakened
from ringfence.rulebook.changes import ApprovalError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.access.approvals import ApprovalRequest
    from ringfence.compose.deciding.session import Session
    from ringfence.decisions.impact import Impact
    from ringfence.desks.model_desk import ModelDesk
    from ringfence.learning.watching.model_news import ModelNews, Proposal

SIGNED: Final = "retraining"
"""Who puts a model in force that was trained by the clock."""

_SECONDS: Final = 5.0
_LATEST: Final = 100  # requests that are looked through for one that has been approved
_DONE: Final = "put in force"
_LOGGER: Final = logging.getLogger(__name__)


class ModelWatcher(Watcher):
    """Looks for what is new.

    Attributes:
        changing: held meanwhile, and by whoever else changes which models decide.
    """

    def __init__(self, session: Session, models: ModelDesk, *, promotes: bool | None = None) -> None:
        """With `promotes`, a proposal that is sound and better beyond chance is put in force.

        Without it, as the setting `retrain_promote` says.
        """
        self._session = session
        self._models = models
        self.changing = asyncio.Lock()
        self._promotes = load_settings().retrain_promote if promotes is None else promotes
        self._book = watch_book(session.store.folder)
        self._stamp: object = None
        self._used: set[str] = set()  # approvals of a promotion that has been tried with them

    async def _keep_looking(self) -> None:
        while True:
            try:
                if self._book.stamp != self._stamp:
                    await asyncio.shield(self._alone(self.deliver))
                if await asyncio.to_thread(self._approved):
                    await asyncio.shield(self._alone(self.promote_approved))
            except RingfenceError as error:
                _LOGGER.warning("news of models waits: %s", error)
            except Exception:
                _LOGGER.exception("news of models waits")
            await asyncio.sleep(_SECONDS)

    async def _alone(self, act: Callable[[], object]) -> None:
        async with self.changing:
            await asyncio.to_thread(act)

    def deliver(self) -> None:
        """Everything that the log does not hold yet, off the event loop; what fails comes again."""
        stamp, log, now_ms = self._book.stamp, self._session.store.log, self._session.clock.now_ms()
        found = self._book.standing()
        if found is not None:
            record(log, found.alerts, now_ms)
            record_news(log, weakened(found), now_ms)
        known = told_of(log, PROPOSED)
        for one in self._book.proposals():
            if one.model not in known:
                record_news(log, [self._offered(one, now_ms)], now_ms)
        self._stamp = stamp

    def promote_approved(self) -> list[str]:
        """Put in force what waited for a second person and has been approved; digests of the models.

        Off the event loop. Each approval is tried once: what does not hold by then asks for another one.
        """
        done = []
        for request in self._approved():
            for one in self._book.proposals():
                if one.model in request.subject.split():
                    told = self._promoted(one, self._session.clock.now_ms())
                    _LOGGER.info("model %s after the approval of %s: %s", one.model, request.id, told)
                    done += [one.model] if told == _DONE else []
            self._used.add(request.id)
        return done

    def _approved(self) -> list[ApprovalRequest]:
        """Approvals of promotions that were asked for here, and are not used up."""
        if not self._promotes:
            return []
        desk, now_ms = open_approvals(self._session.store.folder), self._session.clock.now_ms()
        if Deed.MODELS not in desk.demanded:
            return []
        with closing(desk.book):
            asked = [one.at(now_ms) for one in desk.book.newest(_LATEST, asked_by=SIGNED)]
        return [one for one in asked if one.state is ApprovalState.APPROVED and one.id not in self._used]

    def _offered(self, one: Proposal, now_ms: int) -> ModelNews:
        try:
            sheet: Impact | None = self._session.impact(one.model)
        except (InputError, ScorerError) as error:
            return proposed(one, None, f"it cannot be put in force: {error}")
        return proposed(one, sheet, self._promoted(one, now_ms) if self._promotes else "")

    def _promoted(self, one: Proposal, now_ms: int) -> str:
        """Put it in force if it may be; what came of it."""
        if not one.is_better:
            return "not put in force: it is not better beyond chance"
        if self._models.active().champion == one.model:
            return _DONE
        if self._models.active().champion != one.against:
            return "not put in force: another champion decides by now"
        signed = Signed(SIGNED, now_ms, f"better than {one.against or 'none'} beyond chance")
        try:
            confirming = self._session.confirming(one.model, "")
            put_in_force(self._models, one.model, "champion", signed, confirming=confirming)
        except AwaitingApprovalError as error:
            return f"waits for {error.request.id}: once somebody has approved it, the model is put in force"
        except (ApprovalError, UnconfirmedError, InputError, ScorerError) as error:
            return f"not put in force: {error}"
        return _DONE
