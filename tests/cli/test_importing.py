"""`ringfence rules import`: a book that loads, features that it asks for, and what was not translated."""

import json

FQL = """
SELECT Count() AS often FROM Purchase GROUPBY @"user.userId"
RETURN Reject() WHEN Velocity.often(@"user.userId", 2h) > 5
RETURN Review() WHEN Geo.City(@"device.ipAddress") == "Rome"
"""


def test_imported_rules_check_against_the_features_that_came_with_them(ringfence, project):
    (project / "rules.fql").write_text(FQL)
    book, spec = project / "imported.yaml", project / "features.py"
    ended = ringfence("rules", "import", "rules.fql", "--from", "fql", "--out", book, "--features-out", spec)
    assert ended.code == 4
    assert "no counterpart of Geo.City" in ended.err
    assert "1 of 2 translated" in ended.err
    assert "customer.count_2h_before > 5" in book.read_text()
    assert "# Not translated: rule 3" in book.read_text()
    assert ringfence("rules", "check", book).code == 0


def test_a_file_that_is_there_is_left_alone(ringfence, project):
    (project / "rules.fql").write_text(FQL)
    (project / "features.py").write_text("mine")
    ended = ringfence(
        "rules", "import", "rules.fql", "--from", "fql", "--out", "new.yaml", "--features-out", "features.py"
    )
    assert ended.code == 2
    assert "there already" in ended.err
    assert (project / "features.py").read_text() == "mine"
    assert not (project / "new.yaml").exists()


def test_wrong_options_and_files_say_what_to_write(ringfence, project):
    (project / "rules.fql").write_text(FQL)
    assert "THEIRS=OURS" in ringfence("rules", "import", "rules.fql", "--from", "fql", "--name", "x").err
    assert (
        "none of approve"
        in ringfence("rules", "import", "rules.fql", "--from", "fql", "--outcome", "a=b").err
    )
    ended = ringfence("rules", "import", "nowhere.json", "--from", "fraud-detector")
    assert ended.code == 2
    assert "nowhere.json cannot be read (No such file or directory): give the exported rules" in ended.err
    assert "get-rules" in ringfence("rules", "import", "rules.fql", "--from", "fraud-detector").err


def test_files_that_are_no_text_say_what_to_do_and_names_write_no_lines(ringfence, project):
    (project / "rules.json").write_bytes('{"ruleDetails": []}'.encode("utf-16"))
    ended = ringfence("rules", "import", "rules.json", "--from", "fraud-detector")
    assert (ended.code, "save it as UTF-8" in ended.err) == (2, True)
    (project / "huge.fql").write_bytes(b" " * (6 << 20))
    assert "larger than 5 MiB" in ringfence("rules", "import", "huge.fql", "--from", "fql").err
    assert ringfence("rules", "import", project, "--from", "fql").code == 2
    (project / "empty.fql").write_bytes(b"")
    assert "no RETURN" in ringfence("rules", "import", "empty.fql", "--from", "fql").err
    rule = {"ruleId": "a\n9 of 9 translated.", "expression": "f()\n9 of 9", "outcomes": ["block"]}
    (project / "odd.json").write_text(json.dumps({"ruleDetails": [rule]}))
    ended = ringfence("rules", "import", "odd.json", "--from", "fraud-detector", "--out", "odd.yaml")
    assert ended.code == 4
    assert ended.err.splitlines()[-1] == "0 of 1 translated to odd.yaml."
    assert not any(line.startswith("9 of 9") for line in ended.err.splitlines())
    assert ringfence("rules", "check", "odd.yaml").code == 0


def test_json_has_rules_features_and_refusals(ringfence, project):
    (project / "rules.fql").write_text(FQL)
    found = ringfence("rules", "import", "rules.fql", "--from", "fql", "--mode", "draft", "--json").json
    assert [rule["mode"] for rule in found["rules"]] == ["draft"]
    assert found["features"] == ["customer.count_2h_before"]
    assert [one["line"] for one in found["not_translated"]] == [4]
