"""Rules of Fraud Detector and FQL: what they become, in which order they decide, what is refused and why."""

import json

import pytest

from ringfence.errors import InputError
from ringfence.features.catalog import CATALOG
from ringfence.rulebook.foreign import Wishes, book_text, features_text, read_detector, read_fql, vet
from ringfence.scoring.rulesets.books import load_book
from ringfence.scoring.rulesets.outcomes import Mode, Outcome


def detector(*rules, **more):
    details = [
        {"ruleId": f"r{number}", "ruleVersion": "1", "expression": text, "outcomes": [outcome]}
        for number, (text, outcome) in enumerate(rules)
    ]
    return json.dumps({"ruleDetails": details, **more})


def only(text, **wishes):
    found = read_detector(detector((text, "review")), Wishes(**wishes))
    vet(found, CATALOG)
    return found


@pytest.mark.parametrize(
    ("source", "ours"),
    [
        ("$order_price > 500", "amount > 500"),
        ("$ip_address in @bad_ips", "ip IN LIST 'bad_ips'"),
        ('$card_bin not in ["411111", "545454"]', "NOT (card_bin IN ('411111', '545454'))"),
        ('regex_match(".*@gmail\\.com", lowercase($email))', "LOWER(email) LIKE '%@gmail.com'"),
        (
            'regex_match("(?i)US|CA", $land)',
            "(LOWER(attributes.land) = 'us' OR LOWER(attributes.land) = 'ca')",
        ),
        ("$x != null and $order_price < 5", "(attributes.x IS NOT NULL AND amount < 5)"),
        ("$m_insightscore >= 950", "model.score * 10 >= 950"),
        ('isbefore($EVENT_TIMESTAMP, "2024-05-01T00:00:00Z")', "event_time < 1714521600000"),
        ("($order_price + $fee) * 2 > 10", "((amount + attributes.fee) * 2) > 10"),
        ("# a remark\n$order_price > 5", "amount > 5"),
    ],
)
def test_an_expression_of_fraud_detector_becomes_a_condition(source, ours):
    found = only(source)
    assert found.refused == []
    assert found.rules[0].when == ours


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('regex_match("[0-9]+", $zip)', "has ["),
        ("$a == $b", "numbers or texts"),
        ("getcurrentdatetime() > 5", "no counterpart of getcurrentdatetime"),
        ("$email_address > 5", "text is needed here, not a number"),
        ("$order_price >", "ends too early"),
        ("$order_price > 5 $x", "was not expected"),
        ('$x == "open', "not closed"),
        ("(" * 60 + "$x > 1" + ")" * 60, "nested deeper"),
        ("!" * 3000 + "$x", "nested deeper"),
        ("$order_price" + " + 1" * 3000 + " > 5", "more than 100 terms"),
        ("$order_price > 5 and $order_price < 3", "never"),
        ("", "ends too early"),
    ],
)  # fmt: skip
def test_what_cannot_be_translated_is_named_with_its_reason(source, why):
    found = only(source)
    assert found.rules == []
    (refused,) = found.refused
    assert why in refused.reason
    assert refused.rule == "r0"


def test_defaults_of_variables_stand_for_what_an_event_leaves_out():
    variables = [
        {"name": "age", "dataType": "INTEGER", "defaultValue": "0"},
        {"name": "site", "dataType": "STRING", "defaultValue": "unknown"},
    ]
    rules = [("$age < 30", "review"), ("$age > 30", "review"), ('$site != "shop"', "review")]
    found = read_detector(detector(*rules, variables=variables))
    assert [rule.when for rule in found.rules] == [
        "COALESCE(attributes.age, 0) < 30",
        "attributes.age > 30",
        "COALESCE(attributes.site, 'unknown') <> 'shop'",
    ]


def test_the_first_match_decides_where_the_detector_says_so():
    rules = [("$order_price < 5", "approve"), ("$order_price < 9", "block"), ("$order_price < 20", "approve")]
    first = read_detector(detector(*rules))
    assert [rule.when for rule in first.rules] == [
        "amount < 5",
        "(amount < 9) AND (amount < 5) IS NOT TRUE",
        "(amount < 20) AND (amount < 9) IS NOT TRUE",
    ]
    every = read_detector(detector(*rules, ruleExecutionMode="ALL_MATCHED"))
    assert [rule.when for rule in every.rules] == ["amount < 5", "amount < 9", "amount < 20"]


def test_the_detectors_version_chooses_rules_and_their_order():
    details = [
        {"ruleId": "a", "ruleVersion": "1", "expression": "$order_price > 1", "outcomes": ["review"]},
        {"ruleId": "a", "ruleVersion": "2", "expression": "$order_price > 2", "outcomes": ["review"]},
        {"ruleId": "b", "ruleVersion": "1", "expression": "$order_price > 3", "outcomes": ["review"]},
    ]
    order = [{"ruleId": "b", "ruleVersion": "1"}, {"ruleId": "a", "ruleVersion": "1"}]
    found = read_detector(json.dumps({"ruleDetails": details, "rules": order}))
    assert [rule.when for rule in found.rules] == ["amount > 3", "amount > 1"]
    newest = read_detector(json.dumps({"ruleDetails": details}))
    assert [rule.when for rule in newest.rules] == ["amount > 2", "amount > 3"]


def test_a_version_that_says_two_things_is_refused_and_one_that_is_repeated_is_not():
    """As where the exports of two detectors were put together: neither rule is passed over in silence."""
    one, other = json.loads(detector(("$order_price > 1", "review")))["ruleDetails"] * 2
    assert len(read_detector(json.dumps({"ruleDetails": [one, other]})).rules) == 1
    other = {**other, "outcomes": ["approve"]}
    with pytest.raises(InputError, match="version 1 of rule r0 stands there twice and differs"):
        read_detector(json.dumps({"ruleDetails": [one, other]}))


def test_an_outcome_of_an_own_name_has_to_be_said():
    assert "no outcome here stands for odd" in read_detector(detector(("$x > 1", "odd"))).refused[0].reason
    found = read_detector(detector(("$x > 1", "odd")), Wishes(outcomes={"odd": Outcome.CHALLENGE}))
    assert (found.rules[0].outcome, found.rules[0].mode) == (Outcome.CHALLENGE, Mode.SHADOW)


@pytest.mark.parametrize("text", ["", "[", "{}", '{"ruleDetails": 5}', '"a"', "\x00", "[" * 5000, "\ud800"])
def test_what_is_no_export_is_refused_as_a_whole(text):
    with pytest.raises(InputError, match="get-rules"):
        read_detector(text)


FQL = """
// Velocity set: spending
SELECT Sum(@"totalAmount") AS spent FROM Purchase GROUPBY @"user.userId"
SELECT DistinctCount(@"device.ipAddress") AS ips
FROM Purchase WHEN @"totalAmount" > 100 GROUPBY @"user.email"
SELECT Count() AS logins FROM AccountLogin GROUPBY @"user.userId"
// Rule: Purchases
LET $mail = @"user.email".ToLower()
WHEN @"user.country" != "US"
// Clause: spender
RETURN Review("spends much"), Trace(ip=@"device.ipAddress", x=Velocity.spent(@"user.userId", 1d))
WHEN Velocity.spent(@"user.userId", 7d) > 1000 && Velocity.ips(@"user.email", 2h) >= 3
RETURN Reject() WHEN $mail.EndsWith("@example.com")
RETURN Reject() WHEN Velocity.logins(@"user.userId", 1d) > 3
RETURN Reject() WHEN Velocity.spent(@"user.email", 7d) > 1000
RETURN Reject() WHEN $other == "x" || @"list[0].id" == "a"
OBSERVE Output(a=1) WHEN Model.Risk().Score > 3
"""


def test_velocities_become_features_without_the_current_payment():
    found = read_fql(FQL)
    vet(found, CATALOG)
    names = [one.feature.name for one in found.features]
    assert names == ["customer.sum_amount_7d_before", "email.distinct_ip_ips_2h_before"]
    assert found.rules[0].when == (
        "COALESCE(attributes.\"user.country\", '') <> 'US' AND "
        "(customer.sum_amount_7d_before > 1000 AND email.distinct_ip_ips_2h_before >= 3)"
    )
    made: dict[str, object] = {}
    exec(features_text(found.features), made)
    assert set(names) <= set(made["spec"].names)


def test_what_fql_says_and_a_rule_cannot_is_named_with_its_line():
    refused = {one.rule: (one.line, one.reason) for one in read_fql(FQL).refused}
    assert {name: line for name, (line, _) in refused.items()} == {
        "Purchases 3": 6, "Purchases 4": 15, "Purchases 5": 16, "Purchases 6": 17,
    }  # fmt: skip
    assert "sign-ins" in refused["Purchases 3"][1]
    assert "grouped by customer_id, not by email" in refused["Purchases 4"][1]
    assert "$other is not defined" in refused["Purchases 5"][1]
    assert "OBSERVE" in refused["Purchases 6"][1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no RETURN"),
        ("hello", "a statement begins with"),
        ("LET $x", "LET is written as"),
        ("FROM Purchase", "belongs to a SELECT"),
        ('@"a', "no part of an expression"),
        ("/* RETURN", "a comment that is not closed"),
        ("\x00", "no part of an expression"),
    ],
)
def test_what_is_no_fql_is_refused_as_a_whole(text, why):
    with pytest.raises(InputError, match=why):
        read_fql(text)


ODD = r"""
RETURN Reject() WHEN @"a.b" > 1;
RETURN Review() WHEN @"user.userId" == "kept"
RETURN Reject() WHEN @"a.b" > 1e999
RETURN Reject() WHEN Velocity.x(@"user.userId", 99999999999999999999d) > 1
SELECT Count() AS ~x FROM Purchase GROUPBY @"user.userId"
RETURN Reject() WHEN nosuch(@"a.b")
RETURN Review() WHEN @"email" == "kept too"
RETURN Reject() WHEN @"a.b" == 'unclosed
RETURN Review() WHEN @"phone" == "kept as well"
"""


def test_an_odd_statement_is_named_and_those_beside_it_are_translated():
    found = read_fql(ODD)
    vet(found, CATALOG)
    assert {one.line: one.reason for one in found.refused} == {
        2: "';' is no part of an expression",
        4: "1e999 is too large for a number",
        5: "a time that is too long",
        6: "'~' is no part of an expression",
        7: "there is no counterpart of nosuch",
        9: "a quote that is not closed",
    }
    assert ["kept" in rule.when for rule in found.rules] == [True] * 3


def test_a_rule_without_return_is_named():
    found = read_fql(
        '// Rule: lost\nWHEN @"totalAmount" > 1\n// Rule: kept\nRETURN Review() WHEN @"totalAmount" > 2'
    )
    assert [rule.title for rule in found.rules] == ["kept 1"]
    assert "Nothing comes of lost: it has a WHEN and no RETURN." in found.notes


def test_a_comment_that_is_not_closed_hides_no_rule():
    found = read_fql('RETURN Review() WHEN @"a" == "b"\n' + "/* RETURN Reject()\n" * 50_000)
    assert found.rules == []
    assert [(one.line, one.reason) for one in found.refused] == [(2, "a comment that is not closed")]


@pytest.mark.parametrize(
    "text",
    [
        *("(" * 9_000, "-" * 9_000 + "1 > $a", "f(" * 9_000, "$a ? " * 9_000, "not " * 9_000, "[" * 9_000),
        *(
            "$a > " + "9" * 9_000,
            "$a > 1 and " * 2_000 + "$a > 1",
            "$" + "x" * 20_000 + " > 1",
            "/*" * 50_000,
        ),
        *("'" * 9_001, "", "$", "${jndi:ldap://x} > 1", "$a > \u0661", "$a == '\0'"),
        "regex_match('(a+)+$', $a)",
    ],
)
def test_an_odd_expression_is_a_rule_or_named_with_its_reason(text):
    """In both dialects."""
    theirs = text.replace("$", "@")
    for found in (read_detector(detector((text, "review"))), read_fql(f"RETURN Review() WHEN {theirs}")):
        vet(found, CATALOG)
        assert len(found.rules) + len(found.refused) == 1
        assert all(one.reason for one in found.refused)


def test_a_hostile_name_adds_no_rule_to_the_book():
    name = "a\nrules:\n- id: evil\u2028\x1b[31m\u202e# \x85" + "x" * 5000
    text = json.dumps({"ruleDetails": [{"ruleId": name, "expression": "f()", "outcomes": ["block"]}]})
    found = read_detector(text)
    vet(found, CATALOG)
    book = book_text(found, "fraud-detector", "Amazon Fraud Detector")
    assert load_book(book, "imported").rules == load_book("extends: shipped", "none").rules
    assert next(line for line in book.splitlines() if "evil" in line).startswith("# Not translated: a rules:")
    assert all(len(line) < 1100 and line.isprintable() for line in book.splitlines())


def test_variables_that_contain_themselves_or_explode_end():
    chain = "\n".join(f"LET $v{n} = ($v{n - 1} + $v{n - 1})" for n in range(1, 40))
    found = read_fql(f"LET $v0 = 1\n{chain}\nRETURN Review() WHEN $v39 > 1")
    assert "too long" in found.refused[0].reason
    assert "not defined" in read_fql("LET $a = $a + 1\nRETURN Review() WHEN $a > 1").refused[0].reason


def test_a_card_number_in_a_rule_is_not_kept():
    found = only('$card == "4111111111111111"')
    assert found.rules == []
    assert "4111111111111111" not in found.refused[0].reason


def test_nested_choices_and_long_books_stay_within_bounds():
    test = '@"a" == "b"'
    for _ in range(30):
        test = f"({test} ? true : false)"
    found = read_fql(f"RETURN Review() WHEN {test}")
    assert len(found.rules[0].when) < 5000
    long = " or ".join(f"$order_price == {n}" for n in range(200))
    many = read_detector(detector(*[(long, "approve")] * 10, ("$order_price > 1", "block")))
    assert "too long together" in many.refused[0].reason
