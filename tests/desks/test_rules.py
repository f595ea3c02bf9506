"""The rule book changes in one way, whoever asks."""

BOOK = """name: own
rules:
  - id: listed
    title: On a list
    when: device_id IN LIST 'stollen'
    outcome: review
    reason: LISTED
    analyst: On a list.
"""


def history(session):
    """What the book's history says, but for times and authors, and what is in force."""
    desk = session.desk()
    changes = [(one.number, one.digest, one.based_on, one.note, one.approved) for one in desk.book.changes()]
    return changes, desk.force.active()


def saved_everywhere(edges, tmp_path, **options):
    """The three answers to saving `BOOK` with a wish to have it in force."""
    file = tmp_path / "own.yaml"
    file.write_text(BOOK)
    code, printed = edges.command("rules", "save", file, "--based-on", "head", "--note", "why", "--activate")

    async def over_api(client):
        asked = {"text": BOOK, "based_on": "head", "note": "why", "activate": True}
        return await client.post("/v1/rules/versions", json=asked)

    async def on_the_page(client):
        form = {"text": BOOK.replace("\n", "\r\n"), "based_on": "head", "note": "why", "activate": "1"}
        answer = await client.post("/rules/save", data=form)
        sheet = answer.headers["hx-redirect"]
        if "/impact?" in sheet:  # nothing is in force before it has been read
            version = sheet.rpartition("=")[2]
            made = await client.post(f"/rules/versions/{version}/activate", data={"note": "why"})
            assert made.status_code == 303
        return answer

    return (
        (code, printed),
        edges.serve("api", over_api, **options),
        edges.serve("web", on_the_page, **options),
    )


def test_a_saved_book_is_the_same_version_and_in_force_wherever_it_came_from(edges, tmp_path):
    (code, printed), answered, page = saved_everywhere(edges, tmp_path)
    assert (code, answered.status_code, page.status_code) == (0, 201, 204)
    [told] = printed
    assert told["warnings"] == answered.json()["warnings"]
    assert told["change"]["digest"] == answered.json()["change"]["digest"]
    assert page.headers["hx-redirect"].endswith(told["change"]["digest"])
    found = edges.look("cli", history)
    assert found[1] == told["change"]["digest"]
    assert edges.look("api", history) == found
    assert edges.look("web", history) == found


def test_a_list_that_does_not_exist_is_warned_of_at_every_edge(edges, tmp_path):
    (_, printed), answered, _ = saved_everywhere(edges, tmp_path)

    async def as_it_is_typed(client):
        return (await client.post("/rules/rates", data={"text": BOOK})).text

    page = edges.serve("web", as_it_is_typed)
    for told in (" ".join(printed[0]["warnings"]), " ".join(answered.json()["warnings"]), page):
        assert "stollen" in told
        assert "does not exist" in told


def test_a_book_that_needs_a_second_look_is_kept_and_waits(edges, tmp_path, monkeypatch):
    monkeypatch.setenv("RINGFENCE_REQUIRE_APPROVAL", "true")
    (code, printed), answered, page = saved_everywhere(edges, tmp_path, require_approval=True)
    assert (code, answered.status_code, page.status_code) == (0, 201, 204)
    assert printed[0]["activation"] is None
    assert answered.json()["activation"] is None
    found = edges.look("cli", history, require_approval=True)
    assert found[0][-1][-1] is None
    assert edges.look("api", history, require_approval=True) == found
    assert edges.look("web", history, require_approval=True) == found


def test_a_book_on_trial_is_vetted_alike_over_api_and_on_the_page(edges):
    """A condition that can never be true is refused; a kept version is tried as it is."""
    never = BOOK.replace("device_id IN LIST 'stollen'", "model.probability > 80")

    async def both(client):
        over_api = await client.post("/v1/rules/backtest", json={"text": never})
        on_the_page = await client.post("/rules/backtest", data={"text": never})
        kept = await client.post("/v1/rules/backtest", json={"version": "active"})
        page = await client.post("/rules/backtest", data={"version": "active"})
        return [one.status_code for one in (over_api, on_the_page, kept, page)]

    assert edges.serve("api", both) == [422, 422, 202, 200]
