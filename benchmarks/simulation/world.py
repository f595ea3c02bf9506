"""One seed, one history: clients, a network, a process that dies and comes back, and the check at the end."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from benchmarks.simulation.checking import check
from benchmarks.simulation.disk import Crash, Disk
from benchmarks.simulation.network import Network
from benchmarks.simulation.product import Copy, Product, Receiver
from ringfence.errors import RingfenceError, StoreFullError
from ringfence.events.batch import EventBatch
from ringfence.events.model import EVENT_SCHEMA, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

START_MS = 1_790_000_000_000
_SHARED = Path("/dev/shm")
_RETRY_MS = 1_000
_POWER_GOES = 0.03  # at each point where it may
_MOST_STEPS = 6_000  # after which a calm world has not settled
_LOOKED = 16  # steps from one look at whether it has settled to the next: a look costs more than a step


@dataclass(frozen=True)
class Request:
    """A record that a client wants decided or taken."""

    identity: str
    row: dict[str, Any]

    @staticmethod
    def events(rows: list[dict[str, Any]]) -> EventBatch:
        """Rows as the door makes them."""
        names = {name for row in rows for name in row} | {"kind", "event_time_ms"}
        schema = pa.schema([one for one in EVENT_SCHEMA if one.name in names])
        filled = [{"kind": Kind.TRANSACTION} | row for row in rows]
        return EventBatch(pa.RecordBatch.from_pylist(filled, schema=schema))


@dataclass
class World:
    """All there is. `make` builds a process; a mutant's builds one with a fault."""

    seed: int
    payments: int = 40
    make: Callable[..., Product] = Product
    now_ms: int = START_MS
    crashes: int = 0
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.network = Network(Random(self.seed + 1))
        self.disk, self.copy = Disk(), Copy()
        self.receiver = Receiver(self.chance, self.point)
        self.product: Product | None = None
        self._calm = False
        self._due: dict[str, tuple[int, Request]] = {}  # not answered yet, and when it is sent (again)
        self.requests = self._wanted()

    def run(self) -> list[str]:
        """Live through it; what is wrong, in words, nothing where all is well."""
        with tempfile.TemporaryDirectory(dir=_SHARED if _SHARED.is_dir() else None) as folder:
            self.folder = Path(folder)
            try:
                self._live()
                return check(self)
            except Exception as error:  # noqa: BLE001 (whatever it runs into is what went wrong)
                return [f"{type(error).__name__}: {error}"]
            finally:
                if self.product is not None:
                    self.product.die()
                shutil.rmtree(folder, ignore_errors=True)

    def point(self, _where: str) -> None:
        """Power may go here."""
        if not self._calm and self.chance.random() < _POWER_GOES:
            raise Crash

    def time(self) -> int:
        """The clock of the process."""
        return self.now_ms

    def _wanted(self) -> list[Request]:
        found = []
        for number in range(self.payments):
            chance, identity = self.chance, f"tx-{number}"
            row = {
                "transaction_id": identity,
                "event_time_ms": START_MS + number * 20_000 - chance.choice((0, 0, 0, 90_000)),
                "card_id": f"card-{chance.randrange(5)}",
                "customer_id": f"customer-{chance.randrange(4)}",
                "amount_minor": chance.choice((500, 2_000, 95_000)),
                "currency": "EUR",
            }
            found.append(Request(identity, row))
            if chance.random() < 0.15:
                label = {
                    "kind": Kind.LABEL,
                    "event_id": f"label-{number}",
                    "transaction_id": identity,
                    "event_time_ms": row["event_time_ms"] + chance.choice((0, 60_000)),
                    "label": chance.random() < 0.5,
                }
                found.append(Request(label["event_id"], label))
            if chance.random() < 0.1:
                entry = {
                    "kind": Kind.LIST_ENTRY,
                    "event_id": f"entry-{number}",
                    "event_time_ms": row["event_time_ms"],
                    "list_name": "marked",
                    "entity_type": "card",
                    "entity_id": f"card-{chance.randrange(5)}",
                }
                found.append(Request(entry["event_id"], entry))
        return found

    def _live(self) -> None:
        waiting = list(self.requests)
        for turn in range(_MOST_STEPS):
            self.now_ms += self.chance.randint(1, 60)
            if not self._calm and not waiting and turn > 20 * len(self.requests):
                self._settle()
            try:
                self._step(waiting)
            except (Crash, StoreFullError):
                self._die()
            if self._calm and not waiting and turn % _LOOKED == 0 and self._is_settled():
                return
        raise RingfenceError(f"the world does not settle within {_MOST_STEPS} steps")

    def _step(self, waiting: list[Request]) -> None:
        chance = self.chance
        if waiting and (self._calm or chance.random() < 0.2):
            request = waiting.pop(0)
            self._due[request.identity] = self.now_ms, request
        for identity, (due_ms, request) in list(self._due.items()):
            if due_ms <= self.now_ms:
                self._due[identity] = self.now_ms + _RETRY_MS, request
                self.network.send(self.now_ms, "server", request)
        if not self._calm and chance.random() < 0.005:
            self.network.cut_until_ms = self.now_ms + chance.randint(100, 3_000)
        if self.product is None:
            if self._calm or chance.random() < 0.3:
                self.disk.is_full = False
                self.product = self.make(
                    self.disk,
                    self.copy,
                    self.folder,
                    self.receiver,
                    chance,
                    self.time,
                    self.point,
                    self._told,
                )
            return
        if not self._calm and chance.random() < 0.003:
            self.disk.is_full = True
        for to, message in self.network.arrived(self.now_ms):
            if to == "server":
                self.product.inbox.append(message)
            else:
                request, answer = message
                self.answers.setdefault(request.identity, []).append(answer)
                self._due.pop(request.identity, None)
        act = chance.choice(
            (self.product.take, self.product.commit, self.product.commit, self.product.follow,
             self.product.follow, self.product.deliver, self.product.tidy)
        )  # fmt: skip
        act()

    def _told(self, request: Request, answer: dict[str, Any]) -> None:
        self.network.send(self.now_ms, "client", (request, answer))

    def _die(self) -> None:
        self.crashes += 1
        product, self.product = self.product, None
        if product is not None:
            product.die()
        self.disk.lose_power(self.chance)
        if self.disk.shelf.kept and self.chance.random() < 0.2:
            self.disk.shelf.damaged.add(max(self.disk.shelf.kept))  # a bit of the newest snapshot is flipped

    def _settle(self) -> None:
        """Peace: nothing fails any more."""
        self._calm = self.network.is_calm = self.receiver.is_calm = True
        self.network.cut_until_ms = 0

    def _is_settled(self) -> bool:
        product = self.product
        if product is None or self._due or self.network.under_way or not product.is_idle:
            return False
        log = product.journal.log
        behind = any(
            follower.positions().get(topic, 0) < log.end_offset(topic)
            for follower in product.followers
            for topic in follower.topics
        )
        return not behind and not product.waiting
