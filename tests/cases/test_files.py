"""Files of a case: a few harmless kinds, known by their content, of bounded size and name."""

import asyncio
import hashlib

import pytest
from tests.cases.desk import payment
from tests.cases.test_edges import fill, serving

from ringfence.cases.files import MOST_BYTES, MOST_FILES, inspected
from ringfence.cli import execute
from ringfence.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


@pytest.mark.parametrize(
    ("name", "body", "kept"),
    [
        ("letter.pdf", b"%PDF-1.7 ...", ("letter.pdf", "application/pdf")),
        ("A.PNG", PNG, ("A.PNG", "image/png")),
        ("../../etc/passwd.txt", b"hello\n", ("passwd.txt", "text/plain")),
        ("C:\\temp\\rows.csv", "a,ü\n".encode(), ("rows.csv", "text/csv")),
        ("tab\x00\u202e\x1b[31m.txt", b"x", ("tab[31m.txt", "text/plain")),
        ("<script>.txt", b"<script>", ("<script>.txt", "text/plain")),
    ],
)
def test_what_is_kept_has_a_plain_name_and_the_type_of_its_content(name, body, kept):
    file = inspected(name, body)
    assert (file.name, file.media_type) == kept


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("page.html", b"<script>", "'html' are not taken"),
        ("run.exe", b"MZ", "not taken"),
        ("picture.png", b"<svg onload=alert(1)>", "not what its name says"),
        ("rows.csv", b"MZ\x00\x01", "not what its name says"),
        ("text.txt", b"\xff\xfe", "not what its name says"),
        ("text.txt", b"", "empty"),
        ("text.txt", b"a" * (MOST_BYTES + 1), "larger than 3 MiB"),
        ("a" * 200 + ".txt", b"a", "at most 120"),
        ("noending", b"a", "ending"),
        (".txt", b"a", "ending"),
        ("", b"a", "ending"),
    ],
)
def test_anything_else_is_refused_with_the_reason(name, body, problem):
    with pytest.raises(InputError, match=problem):
        inspected(name, body)


HOSTILE = {
    "a program": ({"name": "run.exe"}, b"MZ\x90", 422, "not taken"),
    "a page": ({"name": "page.html"}, b"<script>alert(1)</script>", 422, "not taken"),
    "a page behind another ending": ({"name": "a.png"}, b"<svg onload=alert(1)>", 422, "not image/png"),
    "a program that is called a text": ({"name": "a.txt"}, b"MZ\x00\x01", 422, "not text/plain"),
    "an ending behind a null": ({"name": "a.png\x00.exe"}, PNG, 422, "not taken"),
    "a name of dots": ({"name": "..."}, PNG, 422, "ending"),
    "a long name": ({"name": "a" * 150 + ".png"}, PNG, 422, "at most 120"),
    "a far too long name": ({"name": "a" * 10_000 + ".png"}, PNG, 422, "name"),
    "a card number in its name": ({"name": "4111111111111111.png"}, PNG, 422, "card"),
    "no name": ({}, PNG, 422, "name"),
    "no version": ({"name": "a.png", "version": None}, PNG, 422, "version"),
    "a byte too much": ({"name": "a.txt"}, b"a" * (MOST_BYTES + 1), 413, "3145728"),
    "nothing": ({"name": "a.txt"}, b"", 400, "empty"),
    "another media type": ({"name": "a.png", "type": "image/png"}, PNG, 415, "application/octet-stream"),
    "a form": ({"name": "a.png", "type": "multipart/form-data; boundary=x"}, PNG, 415, "octet-stream"),
}


def test_a_hostile_file_over_the_api_is_refused_with_the_reason_and_changes_nothing(tmp_path):
    fill(tmp_path, payment(1, customer="ada"))

    async def talk():
        async with serving(tmp_path) as client:
            before = (await client.get("/v1/cases/C-1")).json()
            answers = {}
            for what, (asked, body, *_) in HOSTILE.items():
                params = {"version": before["case"]["version"], **asked}
                kind = {"content-type": params.pop("type", "application/octet-stream")}
                params = {name: value for name, value in params.items() if value is not None}
                answers[what] = await client.post(
                    "/v1/cases/C-1/files", params=params, content=body, headers=kind
                )

            async def endless():
                for _ in range(64):
                    yield b"a" * 65_536

            chunked = await client.post(
                "/v1/cases/C-1/files",
                params={"name": "a.txt", "version": before["case"]["version"]},
                content=endless(),
                headers={"content-type": "application/octet-stream"},
            )
            assert chunked.status_code == 413
            assert (await client.get("/v1/cases/C-1")).json() == before
            full = await client.post(
                "/v1/cases/C-1/files",
                params={
                    "name": "../letter\u202e.txt",
                    "version": before["case"]["version"],
                },
                content=b"a" * MOST_BYTES,
                headers={"content-type": "application/octet-stream"},
            )
            assert full.status_code == 200, full.text
            return answers, (await client.get("/v1/cases/C-1")).json()["events"][-1]["change"]

    answers, kept = asyncio.run(talk())
    told = {what: (one.status_code, HOSTILE[what][3] in one.text) for what, one in answers.items()}
    assert told == {what: (status, True) for what, (_, _, status, _) in HOSTILE.items()}
    assert kept["size"] == MOST_BYTES
    assert kept["name"] == "letter.txt"


def test_a_file_is_attached_over_the_api_and_by_command_and_comes_back_as_it_was(tmp_path, capsys):
    fill(tmp_path, payment(1, customer="ada"))
    letter = tmp_path / "letter.txt"
    letter.write_text("She says it was not her.")

    async def talk():
        async with serving(tmp_path) as client:
            begun = (await client.get("/v1/cases/C-1")).json()["case"]["version"]

            async def attach(body, version=begun, name="photo.png"):
                kind = {"content-type": "application/octet-stream"}
                asked = {"name": name, "version": version}
                return await client.post("/v1/cases/C-1/files", params=asked, content=body, headers=kind)

            done = await attach(PNG)
            stale = await attach(PNG)
            hostile = await attach(b"MZ", version=begun + 1)
            nobody = await client.get(f"/v1/cases/C-1/files/{'0' * 64}")
            [event] = [
                one["change"]
                for one in (await client.get("/v1/cases/C-1")).json()["events"]
                if one["change"]["kind"] == "attached"
            ]
            back = await client.get(f"/v1/cases/C-1/files/{event['sha256']}")
            for version in range(begun + 1, begun + MOST_FILES):
                assert (await attach(PNG, version)).status_code == 200
            full = await attach(PNG, begun + MOST_FILES)
            assert done.json()["version"] == begun + 1
            return done, stale, hostile, nobody, back, full

    done, stale, hostile, nobody, back, full = asyncio.run(talk())
    codes = [one.status_code for one in (done, stale, hostile, nobody, back, full)]
    assert codes == [200, 409, 422, 404, 200, 422]
    assert (back.content, back.headers["content-type"]) == (PNG, "image/png")
    assert back.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in back.headers["content-security-policy"]
    assert "20 files" in full.json()["detail"]
    fill(tmp_path, payment(2, customer="bob"))
    there = ["--data", str(tmp_path)]
    assert execute(["cases", "attach", "C-2", str(letter), *there]) == 0
    told = hashlib.sha256(letter.read_bytes()).hexdigest()
    assert execute(["cases", "file", "C-2", told, "--out", str(tmp_path / "back.txt"), *there]) == 0
    assert (tmp_path / "back.txt").read_text() == letter.read_text()
    assert execute(["cases", "attach", "C-2", str(tmp_path), *there]) != 0
    assert "cannot be read" in capsys.readouterr().err
