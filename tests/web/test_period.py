"""The time range of an address."""

import pytest

from ringfence.decisions.period import Period
from ringfence.web.parts.period import period_of

MANY = "&".join(f"a{number}=1" for number in range(201))


@pytest.mark.parametrize(
    ("query", "page", "period"),
    [
        ("range=7d", "", Period("7d")),
        (MANY, "", Period()),
        ("", f"http://127.0.0.1/?{MANY}", Period()),
        ("range=7d", "http://[", Period()),
        ("", "http://127.0.0.1/live?range=24h&zone=Europe/Berlin", Period("24h", zone="Europe/Berlin")),
    ],
)
def test_an_address_that_cannot_be_read_says_nothing(query, page, period):
    headers = [(b"hx-request", b"true"), (b"hx-current-url", page.encode())] if page else []
    assert period_of({"query_string": query.encode(), "headers": headers}) == period
