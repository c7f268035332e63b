"""Compressed input of the command line: many members, every place where it can end too early, bounded steps."""

from __future__ import annotations

import gzip
import os
import random
import zlib
from pathlib import Path

import pytest

pytest.importorskip("click")

from streamcore.cli.compression import STEP
from streamcore.cli.failure import Failure
from streamcore.cli.inputs import open_input
from streamcore.sources import READ_SIZE

SKIPPABLE_FRAME = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"abcde"
TEXTS = [b"", b"hello\n", random.Random(0).randbytes(300_000), b"a" * 1_000_000]


def pack(texts: list[bytes], suffix: str, **options: bool) -> bytes:
    """One member, or frame, for each text."""
    if suffix == ".gz":
        return b"".join(map(gzip.compress, texts))
    zstandard = pytest.importorskip("zstandard")
    return b"".join(zstandard.ZstdCompressor(**options).compress(text) for text in texts)


def unpack(path: Path) -> tuple[bytes, str | None]:
    """All that comes out before the end or the error, and the error's message."""
    source = open_input(str(path))
    pieces: list[bytes] = []
    try:
        for piece in source.fragments():
            assert 0 < len(piece) <= max(STEP, READ_SIZE)
            pieces.append(piece)
    except Failure as error:
        return b"".join(pieces), str(error).removeprefix(f"{path}: ")
    finally:
        source.close()
    return b"".join(pieces), None


@pytest.fixture(params=[".gz", ".zst"])
def suffix(request: pytest.FixtureRequest) -> str:
    if request.param == ".zst":
        pytest.importorskip("zstandard")
    return request.param


@pytest.mark.parametrize("second", range(len(TEXTS)))
@pytest.mark.parametrize("first", range(len(TEXTS)))
def test_members_follow_each_other(tmp_path: Path, suffix: str, first: int, second: int) -> None:
    path = tmp_path / f"in{suffix}"
    texts = [TEXTS[first], TEXTS[second]]
    path.write_bytes(pack(texts, suffix))
    assert unpack(path) == (b"".join(texts), None)


def test_an_upper_case_suffix_is_one(tmp_path: Path) -> None:
    path = tmp_path / "IN.GZ"
    path.write_bytes(gzip.compress(b"text"))
    assert unpack(path) == (b"text", None)


def test_zero_bytes_after_a_gzip_member_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "in.gz"
    path.write_bytes(gzip.compress(b"a") + bytes(300_000) + gzip.compress(b"b") + bytes(10))
    assert unpack(path) == (b"ab", None)


@pytest.mark.parametrize("options", [{"write_checksum": True}, {"write_content_size": False}, {}])
def test_frames_of_each_kind(tmp_path: Path, options: dict[str, bool]) -> None:
    path = tmp_path / "in.zst"
    packed = SKIPPABLE_FRAME + pack(TEXTS, ".zst", **options)
    path.write_bytes(packed + SKIPPABLE_FRAME)
    assert unpack(path) == (b"".join(TEXTS), None)
    path.write_bytes(packed + SKIPPABLE_FRAME[:-1])
    assert unpack(path) == (b"".join(TEXTS), f"zstd data ends too early, at byte {len(packed) + 12}")


def test_every_early_end_is_found_and_what_came_before_is_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    texts = [b"one line\n" * 20, random.Random(1).randbytes(100)]
    whole = b"".join(texts)
    first = len(pack(texts[:1], suffix))
    packed = pack(texts, suffix)
    for end in range(len(packed)):
        path.write_bytes(packed[:end])
        text, message = unpack(path)
        assert whole.startswith(text)
        if end == first:
            assert (text, message) == (texts[0], None)
        else:
            assert message is not None
            assert message.endswith(f"data ends too early, at byte {end}"), message
        if end > first:
            assert text.startswith(texts[0])


def test_garbage_is_refused_with_its_place(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    path.write_bytes(b"this is no compressed data")
    text, message = unpack(path)
    assert text == b""
    assert message is not None
    assert message.startswith({".gz": "is not a gzip file", ".zst": "bad zstd data before byte 6"}[suffix])


def test_garbage_after_a_member_comes_after_its_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    path.write_bytes(pack([b"text"], suffix) + b"garbage!")
    text, message = unpack(path)
    assert (text, message is None) == (b"text", False)


def test_what_lies_before_a_bad_place_comes_out_first(tmp_path: Path, suffix: str) -> None:
    """Incompressible text, so that its place in the packed bytes is known."""
    path = tmp_path / f"in{suffix}"
    text = random.Random(2).randbytes(1_000_000)
    packed = bytearray(pack([text], suffix))
    block = 131_072
    if suffix == ".gz":
        packed[500_000:500_100] = bytes(100)
    else:
        packed[packed.index(text[3 * block : 3 * block + 10]) - 3] |= 6  # a block of the reserved type
    path.write_bytes(packed)
    got, message = unpack(path)
    assert message is not None
    assert len(got) >= (490_000 if suffix == ".gz" else 3 * block)
    if suffix == ".zst":
        assert got == text[: 3 * block]


def test_a_wrong_checksum_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    packed = bytearray(pack([b"text"], suffix, **({"write_checksum": True} if suffix == ".zst" else {})))
    packed[-5 if suffix == ".gz" else -1] ^= 1
    path.write_bytes(packed)
    assert unpack(path)[1] is not None


def test_well_packed_input_comes_in_bounded_steps(tmp_path: Path, suffix: str) -> None:
    """20 MB of zeros in a few kB; ``unpack`` checks the size of each step."""
    path = tmp_path / f"in{suffix}"
    path.write_bytes(pack([bytes(20_000_000)], suffix))
    assert path.stat().st_size < 100_000
    text, message = unpack(path)
    assert (len(text), text.count(0), message) == (20_000_000, 20_000_000, None)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_has_no_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    source = open_input(str(tmp_path / "pipe"))
    os.write(writer, b"text")
    assert (source.size, source.read()) == (None, b"text")
    source.close()
    os.close(writer)


def test_the_position_counts_bytes_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "in.gz"
    path.write_bytes(zlib.compress(b"a" * 1000, wbits=31))
    source = open_input(str(path))
    assert b"".join(source.fragments()) == b"a" * 1000
    assert source.position == source.size == path.stat().st_size
    source.close()
