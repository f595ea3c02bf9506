"""Compressed bodies: all that was sent is read, and what a few bytes may unfold to is bounded."""

import asyncio
import gzip
import os
import struct

import pytest
import zstandard

from ringfence.api.http.bodies import read_body
from ringfence.api.http.problems import Refusal
from ringfence.api.http.unfolding import FREE, RATIO, Gzip, Zstd

MIB = 1 << 20
ZSTD = zstandard.ZstdCompressor().compress
PACK = {"gzip": gzip.compress, "zstd": ZSTD}


def receiver(body, size=1000):
    """The body in pieces of so many bytes, as a server hands it on."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    left = iter(messages)

    async def receive():
        return next(left)

    return receive


def read(body, encoding, limit=64 * MIB, size=1000):
    headers = [(b"content-encoding", encoding.encode())]
    return asyncio.run(read_body(headers, receiver(body, size), limit))


def refused(body, encoding, limit=64 * MIB, size=1000):
    with pytest.raises(Refusal) as found:
        read(body, encoding, limit, size)
    return found.value.status, found.value.problem.code


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
def test_several_members_or_frames_in_a_row_are_one_body(encoding, size):
    parts = [b"one\n" * 1000, b"", os.urandom(3000), b"x"]
    packed = b"".join(map(PACK[encoding], parts))
    assert read(packed, encoding, size=size) == b"".join(parts)


def test_zeros_after_the_last_gzip_member_are_padding_and_a_skippable_zstd_frame_is_skipped():
    assert read(gzip.compress(b"a") + b"\0" * 999, "gzip") == b"a"
    skippable = struct.pack("<II", 0x184D2A53, 500) + os.urandom(500)
    assert read(ZSTD(b"a") + skippable + ZSTD(b"b"), "zstd") == b"ab"


@pytest.mark.parametrize("encoding", PACK)
def test_a_body_that_is_cut_short_is_refused_wherever_it_is_cut(encoding):
    """Else its last records would be lost, and the caller told that all was well."""
    packed = PACK[encoding](os.urandom(400)) + PACK[encoding](b"two" * 50)
    whole = {len(PACK[encoding](os.urandom(400)))}
    for end in range(1, len(packed)):
        if end not in whole:
            assert refused(packed[:end], encoding) == (400, "broken_encoding"), end


@pytest.mark.parametrize("encoding", PACK)
def test_what_follows_the_end_has_to_be_another_member_or_frame(encoding):
    assert refused(PACK[encoding](b"{}") + b"{}garbage", encoding) == (400, "broken_encoding")


@pytest.mark.parametrize("encoding", PACK)
def test_a_bomb_is_refused_by_what_has_come_so_far(encoding):
    bomb = PACK[encoding](b"\n" * (32 * MIB))
    status, code = refused(bomb, encoding, size=500)
    assert (status, code) == (413, "expands_too_much")
    assert len(bomb) * RATIO + FREE < 32 * MIB or encoding == "gzip"


def test_a_bomb_in_many_members_is_refused_likewise():
    member = ZSTD(b"[" * MIB)
    assert refused(member * 64, "zstd") == (413, "expands_too_much")


@pytest.mark.parametrize("encoding", PACK)
def test_members_that_hold_nothing_end_somewhere(encoding):
    assert refused(PACK[encoding](b"") * 10_002, encoding) == (400, "broken_encoding")


def test_much_that_unfolds_to_nothing_is_refused():
    """Blocks without content, three bytes each, in one frame that never ends."""
    head = ZSTD(b"x" * 10)[:5]
    empty = b"\x00\x00\x00"
    frame = b"\x28\xb5\x2f\xfd\x00\x58" + empty * 700_000
    assert refused(frame, "zstd", size=65536) == (400, "broken_encoding")
    assert head.startswith(b"\x28\xb5\x2f\xfd")


def test_a_zstd_window_beyond_what_http_allows_is_refused_with_the_remedy():
    wide = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=False)
    packed = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    body = packed.compress(b"ab" * 1000) + packed.flush()
    with pytest.raises(Refusal, match="usual level") as found:
        read(body, "zstd")
    assert found.value.status == 400


def test_no_step_unfolds_to_more_than_256_kib():
    body = os.urandom(100) * 30_000 + b"\0" * (4 * MIB)
    for encoding, unfolder in (("gzip", Gzip()), ("zstd", Zstd())):
        steps = list(unfolder.feed(PACK[encoding](body)))
        assert b"".join(steps) == body
        assert max(map(len, steps)) <= 256 << 10


def test_identity_is_no_encoding_and_two_at_once_are_one_too_many():
    assert read(b"{}", "Identity") == b"{}"
    assert refused(b"{}", "zstd, gzip") == (415, "unknown_encoding")
    assert refused(b"{}", "br") == (415, "unknown_encoding")
