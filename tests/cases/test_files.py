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
