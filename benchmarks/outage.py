"""A destination that is dead for a while, with messages waiting, and comes back.

    python -m benchmarks.outage --messages 3000 --seconds 120

A server and its process of the messages send to a receiver of webhooks that nobody runs at first. The
benchmark prints how long after the receiver's return the first message arrives, and the last; that another
destination got all of its messages meanwhile; and how often the dead one was tried.
"""

from __future__ import annotations

import argparse
import socket
import time
from contextlib import closing

from benchmarks.alerts import DECLINED, project, until, verdict
from benchmarks.api_load import payments
from benchmarks.load import send
from benchmarks.webhooks import Receiver
from ringfence.adapters.outbox import Bus
from ringfence.bus.subscription import Subscription

RETURN_SECONDS = 75  # the longest wait between two trials, and what it takes to send them
RATE = 200.0


def outage(messages: int, seconds: float) -> bool:
    held = socket.socket()  # nobody else gets its port; until somebody listens, connections are refused
    held.bind(("127.0.0.1", 0))
    dead = f"http://127.0.0.1:{held.getsockname()[1]}/hook"
    with project("amount > 0") as (folder, server, _), Receiver() as well, closing(Bus(folder)) as bus:
        for name, to in (("well", well.url), ("dead", dead)):
            bus.subscribe(Subscription(name=name, pattern=DECLINED, to=to))
        begin = time.monotonic()
        sent = send(server, "/v1/decisions", payments(messages, "waiting"), RATE)
        until(lambda: len({one for one, _, _ in well.taken}) == messages)
        print(f"{messages:,} payments at {sent.rate:,.0f}/s: the other destination has all of them")
        time.sleep(max(0.0, begin + seconds - time.monotonic()))
        ((tried,),) = bus.database.rows("SELECT total(attempts) FROM message WHERE destination = ?", (dead,))
        with Receiver(held=held) as back:
            returned_ms = time.time() * 1000
            until(lambda: len({one for one, _, _ in back.taken}) == messages)
            took = sorted((at - returned_ms) / 1000 for _, _, at in back.taken)
    print(f"{len({one for one, _, _ in back.taken}):,} of {messages:,} messages arrived")
    print(f"dead for {seconds:,.0f} s, tried {tried:,.0f} times")
    print(f"after its return: the first after {took[0]:.1f} s, half after {took[len(took) // 2]:.1f} s")
    return verdict("all of them are there after, s", took[-1], RETURN_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=120.0)
    asked = parser.parse_args()
    raise SystemExit(not outage(asked.messages, asked.seconds))


if __name__ == "__main__":
    main()
