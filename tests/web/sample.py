"""A small store with everything that a page can show, hostile names included."""

import json

import httpx

HOSTILE = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">'
DAY_MS = 86_400_000
START_MS = 1_735_689_600_000  # 2025-01-01
CARD = "card-7"
CARD_NUMBER = "4111111111111111"


def payment(number, time_ms, **fields):
    base = {
        "transaction_id": f"tx-{number:04}",
        "event_time": time_ms,
        "amount": f"{10 + number % 90}.50",
        "currency": "EUR",
        "card_id": f"card-{number % 10}",
        "customer_id": f"customer-{number % 10}",
        "merchant_id": f"shop-{number % 4}",
        "device_id": f"device-{number % 5}",
        "country": "DE",
        "channel": "online",
    }
    return base | fields


def payments():
    """Thirty days of ten customers; then one card is tested with many small amounts."""
    usual = [payment(number, START_MS + number * DAY_MS // 10) for number in range(300)]
    end = START_MS + 30 * DAY_MS
    test = [
        payment(300 + number, end + number * 20_000, card_id=CARD, amount="1.50", merchant_id=f"web-{number}")
        for number in range(12)
    ]
    hostile = payment(
        400,
        end + DAY_MS,
        transaction_id=f"tx/{HOSTILE}",
        merchant_id=HOSTILE,
        customer_id=HOSTILE,
        city=HOSTILE,
        attributes={HOSTILE[:20]: HOSTILE},
    )
    return [*usual, *test, hostile]


def others():
    """Everything else that a log holds."""
    at = START_MS + 29 * DAY_MS
    return [
        {
            "kind": "profile",
            "event_id": "p1",
            "event_time": at,
            "entity_type": "customer",
            "entity_id": "customer-7",
            "attributes": {"age": 44, "segment": HOSTILE},
        },
        {
            "kind": "list_entry",
            "event_id": "l1",
            "event_time": at,
            "list_name": HOSTILE,
            "list_kind": "watch",
            "entity_type": "card",
            "entity_id": CARD,
        },
        {
            "kind": "label",
            "event_id": "b1",
            "event_time": START_MS + 40 * DAY_MS,
            "transaction_id": "tx-0311",
            "label": True,
            "label_source": "chargeback",
        },
    ]


BAD = ('{"transaction_id": "bad-1", "event_time": "yesterday", "amount": "5"}', f'{{"{HOSTILE}": ', "no json")


def fill(url, headers=None):
    """Send all of it."""
    lines = [json.dumps(event) for event in (*others()[:2], *payments(), others()[2])]
    kind = {"content-type": "application/x-ndjson"} | (headers or {})
    answer = httpx.post(f"{url}/v1/events/batch", content="\n".join([*lines, *BAD]), headers=kind, timeout=60)
    answer.raise_for_status()
    with_card = payment(500, START_MS + 32 * DAY_MS, card_number=CARD_NUMBER)
    del with_card["card_id"]
    httpx.post(f"{url}/v1/events", json=with_card, headers=headers, timeout=60).raise_for_status()
