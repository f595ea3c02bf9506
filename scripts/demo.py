"""What `make demo` runs: a world with fraud, its history decided, live traffic, a model put in force.

    history ──► run ──► serve ◄── live traffic         all in ./ringfence-demo, and nothing is left running
                 └────► train ──► promote, into the running service

Runs until Ctrl-C. With --seconds it ends by itself, and where there is no terminal some seconds after the
model is in force.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfile, rmtree
from typing import TYPE_CHECKING

import httpx
import pyarrow.compute as pc
import pyarrow.parquet as pq
from children import Child, Children, StepError
from rich.console import Console

from ringfence.adapters.sqlite.lock import WriterLock
from ringfence.errors import InUseError

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "ringfence-demo"
PORT = 8000
RATE = 10.0
DAYS = 210  # labels take up to 50: of 150 days a model learned 154 to 400 frauds, on some dates too few
CATCH_UP_SECONDS = 300  # of live traffic at its rate, as long as a tour takes; then it has reached the clock
UNWATCHED_SECONDS = 30  # likewise, without a terminal: the demo ends by itself soon after
TOUR_SECONDS = 12  # without a terminal, from the moment at which the model is in force
LESSON = ("--quick", "--max-challenge-share", "0.01")
WORLD = ("--seed", "1", "--fraud", "0.01")
NEWS_DAYS = 3  # what is older when it is decided is history, which nobody has to work on
POLICY = f"ignore_older_than_days = {NEWS_DAYS}\n"  # of cases and of alerts
PATIENCE_SECONDS = 180
SOON_SECONDS = 2.0  # after the simulation, by which what was compiled before has been read
FEATURES = Path(__file__).with_name("demo_features.py")
STYLES = {"challenge": "yellow", "review": "dark_orange", "decline": "bold red"}
PLACES = (
    ("/home?as=analyst&tour=1", "a tour in five steps"),
    ("/cases", "cases that wait for you: press n for the most urgent one, ? for all keys"),
    ("/?outcome=challenge", "fraud being caught: decisions as they are made, the approved left out"),
    ("/", "all decisions as they are made"),
    ("/decisions", "all of them, searched and filtered; click one to see why"),
    ("/rules", "the rule book: what each rule finds, edited with checking as you type"),
    ("/models", "the model: how good it is, and where its thresholds are"),
    ("/streams", "the log, event by event, and what could not be read"),
    ("/system", "throughput, latency stage by stage"),
)
console = Console(highlight=False)


def main() -> int:
    """0, or the exit code of the step that failed."""
    given = options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("RINGFENCE_")]:
        del os.environ[name]  # nothing but the demo's own settings
    with free_folder() as folder:
        os.chdir(folder)
        try:
            with Children() as children:
                return show(given, children)
        except KeyboardInterrupt:
            return 0
        except StepError as failed:
            console.print(f"{failed}: what it said is in {folder}/*.log", style="red", soft_wrap=True)
            return 1
        finally:
            console.print(
                f"\nEverything is stopped. {folder} keeps the data until the next demo; open it again with:\n"
                f"  cd {folder} && {Path(sys.executable).parent / 'ringfence'} serve",
                soft_wrap=True,
            )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, help="end by itself so long after the service is up")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--rate", type=float, default=RATE, help="live payments a second")
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--days", type=int, default=DAYS, help="of history: labels take up to 50")
    return parser.parse_args()


def show(given: argparse.Namespace, children: Children) -> int:
    begin = time.monotonic()
    copyfile(FEATURES, "features.py")
    for name in ("cases.toml", "alerts.toml"):
        Path(name).write_text(POLICY)
    days, now = given.days, datetime.now(UTC)
    first_day = (now - timedelta(days=days)).date()  # so that the world's last day is today
    world = (*WORLD, "--customers", str(given.customers), "--start", first_day.isoformat())
    history = children.make("history")
    service = children.make("serve", "--warm", "ringfence.api.serving", "ringfence.web")
    lessons = children.make("train", "lightgbm", "sklearn")  # loaded while the history is made
    tell(begin, f"the last {days} days of a small world: {given.customers:,} people, and some criminals ...")
    history.run("simulate", "history.parquet", "--days", str(days + 1), "--until", now.isoformat(), *world)
    lively = CATCH_UP_SECONDS if sys.stdout.isatty() else UNWATCHED_SECONDS
    since = without_last(Path("history.parquet"), round(lively * given.rate))
    if not service.ended(SOON_SECONDS):
        tell(begin, "the engine is being compiled, once for each machine ...")
        service.ended(None)
    tell(begin, "deciding them, one by one in their order ...")
    said = history.run("run", "history.parquet", "--mapping", "canonical")
    console.print(said.strip().partition("\n\nrule")[0], style="dim")
    port = free_port(given.port)
    url = f"http://127.0.0.1:{port}"
    service.begin("serve", "--port", str(port))
    lessons.begin("train", "--out", "model", "--name", "demo", *LESSON)
    lessons.begin("models", "import", "model")
    os.setpriority(os.PRIO_PROCESS, lessons.process.pid, 5)  # payments go first
    wait_until_ready(url, service)
    lately = ("--first-day", str((since.date() - first_day).days), "--since", since.isoformat())
    history.begin("simulate", "--to", url, *lately, "--rate", str(given.rate), *world)
    pace = f"{given.rate:g} payments a second until they are those of now"
    tell(begin, f"live at [bold]{url}[/bold], {pace}; a model is being trained\n")
    for path, what in PLACES:
        console.print(f"  {url + path:42} {what}", soft_wrap=True)
    console.print("\nWhat is being stopped, and why (Ctrl-C ends the demo):\n")
    watch(url, Teacher(lessons, url, begin), history, End(given.seconds))
    return 0


def without_last(file: Path, rows: int) -> datetime:
    """Takes so many of the last events out of a file, a quarter at most; the time of the first of them."""
    events = pq.read_table(file)
    kept = len(events) - min(rows, len(events) // 4)
    since = events["event_time"][kept]
    pq.write_table(events.filter(pc.less(events["event_time"], since)), file)
    return since.as_py()


@dataclass(slots=True)
class End:
    """When the demo is over by itself."""

    seconds: float | None  # asked for, from the moment at which the service is up
    up: float = field(default_factory=time.monotonic)
    taught: float | None = None  # when the model was put in force, or could not be

    def has_come(self) -> bool:
        now = time.monotonic()
        if self.seconds is not None:
            return now > self.up + self.seconds
        if sys.stdout.isatty():
            return False
        return self.taught is not None and now > self.taught + TOUR_SECONDS


class Teacher:
    """Puts the model in force once it is trained, while the service decides."""

    def __init__(self, lessons: Child, url: str, begin: float) -> None:
        self.lessons, self.url, self.begin = lessons, url, begin
        self.done = False

    def look(self) -> bool:
        """Called now and then; whether there is nothing more to be done."""
        if self.done:
            return True
        try:
            self.done = self.lessons.ended()
        except StepError:
            self.done = True
            tell(
                self.begin, "no model could be trained on so little (train.log says why): rules decide alone"
            )
            return True
        if self.done:
            self._promote()
        return self.done

    def _promote(self) -> None:
        """What `ringfence models promote demo --url URL` asks for."""
        (known,) = httpx.get(f"{self.url}/v1/models").json()["models"]
        address = f"{self.url}/v1/models/{known['version']}/promotion"
        sheet = httpx.get(address.replace("promotion", "impact"), timeout=PATIENCE_SECONDS).json()
        wanted = {"note": "the demo's first model", "confirm": sheet["confirm"]}
        answer = httpx.post(address, json=wanted, timeout=PATIENCE_SECONDS)
        if answer.status_code == httpx.codes.CONFLICT:  # too little was learned: the rules do better alone
            tell(self.begin, f"{answer.json()['detail']} ({self.url}/models)")
            return
        answer.raise_for_status()
        metrics = json.loads(Path("model/manifest.json").read_text())["metrics"]
        reached = metrics["average_precision"]["value"]
        tell(
            self.begin,
            f"a model is in force from here on, without a restart: average precision {reached:.2f} on its "
            f"test part ({self.url}/models)",
        )


@contextmanager
def free_folder() -> Iterator[Path]:
    """An empty folder for the demo; another one where a demo is running in the first."""
    for name in (FOLDER, *(f"{FOLDER}-{number}" for number in range(2, 10))):
        folder = Path(name).absolute()
        with suppress(InUseError):
            lock = WriterLock(folder / "demo.lock")
            try:
                for item in folder.iterdir():
                    if item.name != "demo.lock":
                        rmtree(item) if item.is_dir() else item.unlink()
                yield folder
            finally:
                lock.release()
            return
    raise SystemExit("Nine demos are running here already.")


def free_port(wanted: int) -> int:
    """The wanted port. If it is taken, this says so and uses another."""
    try:
        with socket.create_server(("127.0.0.1", wanted)) as found:
            return int(found.getsockname()[1])
    except OSError:
        port = free_port(0)
        console.print(f"Port {wanted} is taken: using {port} instead.", style="yellow")
        return port


def wait_until_ready(url: str, service: Child) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        if service.ended():
            break
        time.sleep(0.1)
    raise StepError("ringfence serve did not start")


def watch(url: str, teacher: Teacher, traffic: Child, end: End) -> None:
    """Tell of payments that are stopped, one a second at most, until the time is over or Ctrl-C."""
    last = 0.0
    timeout = httpx.Timeout(5.0, read=20.0)
    with httpx.stream("GET", f"{url}/v1/stream", params={"min_score": 0}, timeout=timeout) as stream:
        for line in stream.iter_lines():
            if teacher.look() and end.taught is None:
                end.taught = time.monotonic()
            if traffic.ended() or end.has_come():
                return
            now = time.monotonic()
            if line.startswith("data: {") and now > last + 1 and tell_of(json.loads(line[6:])):
                last = now


def tell_of(event: dict) -> bool:
    """One line on a payment that was not approved; False for others."""
    decision, payment = event["decision"], event["transaction"]
    if decision["outcome"] == "approve" or not decision["reasons"]:
        return False
    what = payment.get("merchant_category") or payment.get("channel", "")
    style = STYLES[decision["outcome"]]
    amount = f"{payment['amount_minor'] / 100:>9,.2f} EUR"
    console.print(f"  [{style}]{decision['outcome'].upper():9}[/] {amount}  {what:19}", end="")
    console.print(decision["reasons"][0]["analyst"], markup=False, soft_wrap=True)
    return True


def tell(begin: float, text: str) -> None:
    console.print(f"[dim]{time.monotonic() - begin:4.0f} s[/]  {text}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
