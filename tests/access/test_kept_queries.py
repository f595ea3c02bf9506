"""Addresses that are kept name nobody: tokens stand for persons, in filters, searches and statements."""

import asyncio
from urllib.parse import parse_qsl, urlencode

import pytest

from ringfence.access.kept_queries import kept_entities, kept_query
from ringfence.access.kept_statements import kept_statement
from ringfence.api.handlers.address_tokens import KeptAddresses
from ringfence.errors import InputError
from ringfence.events.privacy.personal import PersonalData

PERSONAL = PersonalData(b"0123456789abcdef0123456789abcdef")
ADA, BOB = (PERSONAL.as_kept("customer_id", name) for name in ("ada-17", "bob-18"))
MAIL = PERSONAL.as_kept("email", "ada@mail.example")
PHONE = PERSONAL.as_kept("phone", "+4917012345")


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("entity=customer&entity_id=ada-17", f"entity=customer&entity_id={ADA}"),
        ("entity_id=ada-17&entity_type=customer", f"entity_id={ADA}&entity_type=customer"),
        ("entity=customer%3Aada-17&entity=customer%3Abob-18", f"entity=customer:{ADA}&entity=customer:{BOB}"),
        ("entity=merchant:M-1&entity=customer:ada-17", f"entity=merchant:M-1&entity=customer:{ADA}"),
        ("entity=card&entity=customer&entity_id=ada-17", f"entity=card&entity=customer&entity_id={ADA}"),
        (
            "entity=customer&entity_id=ada-17&entity=merchant&entity_id=M-1",
            f"entity=customer&entity_id={ADA}&entity=merchant&entity_id=M-1",
        ),
        (
            "entity=customer&entity_id=ada-17&entity_id=bob-18",
            f"entity=customer&entity_id={ADA}&entity_id={BOB}",
        ),
    ],
)
def test_every_entity_of_an_address_becomes_its_token(query, kept):
    assert kept_entities(PERSONAL, parse_qsl(query)) == parse_qsl(kept)
    assert parse_qsl(kept_query(PERSONAL, query)) == parse_qsl(kept)


@pytest.mark.parametrize(
    "query",
    [
        "outcome=decline&reason=&q=",
        "q=C-17",
        "q=c-",
        f"q={ADA}",
        "q=pd_12ab",
        "q=tok_6ab68ca2a9a5093ababdf00856c5692b",
        "entity=merchant&entity_id=M-1",
        "statement=SELECT+count(*)+FROM+decisions",
    ],
)
def test_an_address_that_names_nobody_stays_as_it_is(query):
    assert kept_query(PERSONAL, query) == query


@pytest.mark.parametrize("query", ["q=ada-17", "view=ready&q=+Ada", "entity_id=ada-17", "q=pd_xy"])
def test_an_address_that_may_name_a_person_is_refused_in_words(query):
    with pytest.raises(InputError, match=r"search for a case's id|without its type"):
        kept_query(PERSONAL, query)


def test_an_email_address_that_is_searched_for_becomes_its_token():
    assert kept_query(PERSONAL, "q=ada%40mail.example") == f"q={MAIL}"


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("customer_id = 'ada-17' AND outcome = 'decline'", f"customer_id = '{ADA}' AND outcome = 'decline'"),
        ("'ada-17' <> t.\"customer_id\"", f"'{ADA}' <> t.\"customer_id\""),
        ("Customer_ID IN ('ada-17', 'bob-18')", f"Customer_ID IN ('{ADA}', '{BOB}')"),
        ("customer_id = ANY(['ada-17', 'bob-18'])", f"customer_id = ANY(['{ADA}', '{BOB}'])"),
        ("customer_id IS NOT DISTINCT FROM 'ada-17'", f"customer_id IS NOT DISTINCT FROM '{ADA}'"),
        ("customer_id = $$ada-17$$ OR TRUE", f"customer_id = '{ADA}' OR TRUE"),
        ("customer_id = $x$ada-17$x$", f"customer_id = '{ADA}'"),
        ("lower(email) = 'Ada@Mail.example'", f"lower(email) = '{MAIL}'"),
        ("phone = '+49 (0)170 12345'", f"phone = '{PHONE}'"),
        ("CASE customer_id WHEN 'ada-17' THEN 'a' END", f"CASE customer_id WHEN '{ADA}' THEN 'a' END"),
        ("entity_type='customer' AND entity_id='ada-17'", f"entity_type='customer' AND entity_id='{ADA}'"),
        ("TRUE -- wrote to ada@mail.example", f"TRUE -- wrote to {MAIL}"),
        ("(customer_id, channel) IN (('ada-17', ''))", f"(customer_id, channel) IN (('{ADA}', ''))"),
    ],
)  # fmt: skip
def test_a_statement_keeps_tokens_for_persons(statement, kept):
    whole = "SELECT outcome, strftime(event_time, '%Y') FROM decisions WHERE "
    assert kept_statement(PERSONAL, whole + statement) == whole + kept
    query = kept_query(PERSONAL, urlencode({"statement": whole + statement}))
    assert parse_qsl(query) == [("statement", whole + kept)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT customer_id, date_trunc('day', event_time), 'x' AS kind FROM decisions WHERE ip IS NULL",
        f"SELECT * FROM decisions WHERE customer_id IN ('{ADA}', '') AND customer_id LIKE 'pd_1%'",
        "SELECT count(DISTINCT customer_id) FROM transactions WHERE length(customer_id) = 5 -- it's",
        "SELECT * FROM flag_matches WHERE entity_type = 'merchant' AND entity_id = 'M-1'",
        "SELECT 'unfinished",
        "WITH few AS (SELECT customer_id, 'a' AS kind FROM decisions WHERE merchant_id = 'M-1') FROM few",
    ],
)
def test_a_statement_that_names_nobody_stays_as_it_is(statement):
    assert kept_statement(PERSONAL, statement) == statement


@pytest.mark.parametrize(
    "condition",
    [
        "customer_id LIKE 'ada%'",
        "customer_id ~ 'ada-1.'",
        "starts_with(customer_id, 'ada')",
        "customer_id > 'ada'",
        "entity_id = 'ada-17'",
    ],
)
def test_a_statement_of_which_no_token_can_be_made_is_refused_in_words(condition):
    with pytest.raises(InputError, match="use the token"):
        kept_statement(PERSONAL, f"SELECT * FROM transactions WHERE {condition}")


@pytest.mark.parametrize("name", [b"entity", b"%65ntity", b"e%6Etity"])
def test_a_name_that_is_percent_encoded_hides_no_id_from_the_door(name):
    """Pages decode names, so an application behind the door read the plain id."""
    came = []

    async def application(scope, _receive, _send):
        came.append(scope["query_string"].decode())

    query = name + b"=customer&" + name + b"_id=ada-17"
    scope = {"type": "http", "path": "/decisions", "raw_path": b"/decisions", "query_string": query}
    asyncio.run(KeptAddresses(application, PERSONAL)(scope, None, None))
    assert parse_qsl(came[0]) == [("entity", "customer"), ("entity_id", ADA)]
