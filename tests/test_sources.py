"""What may be streamed from, what each read gives, and who closes what."""

from __future__ import annotations

import array
import asyncio
import io
import os
import socket
import tempfile
from pathlib import Path

import pytest
from recorder import Source

from streamcore.sources import FileFragments, async_fragments, fragments


@pytest.mark.parametrize("source", [b"ab", bytearray(b"ab"), memoryview(b"ab"), array.array("B", b"ab"), b""])
def test_a_bytes_like_object_is_one_fragment(source):
    (fragment,) = fragments(source)
    assert fragment is source


def test_a_str_is_data_for_text_stages():
    assert list(fragments("a/b", text=True)) == ["a/b"]


def test_a_str_is_never_a_path():
    with pytest.raises(
        TypeError, match=r"got a str: encode it, or pass pathlib\.Path\(\.\.\.\) to read a file"
    ):
        fragments("data.txt")


def test_bytes_are_no_text():
    with pytest.raises(TypeError, match="a text stage got bytes: decode it first"):
        fragments(b"data", text=True)


def test_a_path_is_opened_at_the_first_pull_and_closed_at_its_end(tmp_path):
    path = tmp_path / "data"
    source = fragments(path)
    path.write_bytes(b"some data")  # it need not exist before
    assert next(source) == b"some data"
    file = source._file
    assert not file.closed
    with pytest.raises(StopIteration):
        next(source)
    assert file.closed
    with pytest.raises(StopIteration):
        next(source)


def test_a_path_is_closed_by_close(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"x" * 1000)
    source = FileFragments(path, size=10)
    assert next(source) == b"x" * 10
    file = source._file
    source.close()
    source.close()
    assert file.closed
    assert list(source) == []


def test_closing_before_the_first_pull_opens_nothing(tmp_path):
    source = fragments(tmp_path / "missing")
    source.close()
    assert list(source) == []


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        next(fragments(tmp_path / "missing"))


def test_a_path_may_be_any_path_like(tmp_path):
    class Named:
        def __fspath__(self):
            return str(tmp_path / "data")

    (tmp_path / "data").write_bytes(b"x")
    assert list(fragments(Named())) == [b"x"]


def test_text_of_a_path_keeps_its_line_ends(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("é\r\nb\rc\n".encode())
    assert "".join(fragments(path, text=True)) == "é\r\nb\rc\n"


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_file_object_is_read_and_left_open(tmp_path, buffering):
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    with open(path, "rb", buffering=buffering) as file:
        source = FileFragments(file, size=4)
        assert list(source) == [b"0123", b"4567", b"89"]
        source.close()
        assert not file.closed


@pytest.mark.parametrize("make", [io.BytesIO, lambda data: io.BufferedReader(io.BytesIO(data))])
def test_objects_in_memory_are_files_as_well(make):
    assert b"".join(fragments(make(b"some data"))) == b"some data"


def test_what_a_pipe_holds_is_read_without_waiting_for_more():
    reader, writer = os.pipe()
    with open(reader, "rb") as file, open(writer, "wb", buffering=0) as to:
        source = fragments(file)
        to.write(b"first")
        assert next(source) == b"first"
        to.write(b"second")
        assert next(source) == b"second"
        to.close()
        assert list(source) == []


def test_text_of_a_pipe_comes_line_by_line_without_waiting_for_more():
    reader, writer = os.pipe()
    with open(reader, encoding="utf-8") as file, open(writer, "wb", buffering=0) as to:
        source = fragments(file, text=True)
        to.write("é\n".encode())
        assert next(source) == "é\n"
        to.close()
        assert list(source) == []


def test_a_non_blocking_file_without_data_is_a_blocking_io_error():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with (
        open(reader, "rb", buffering=0) as file,
        open(writer, "wb"),
        pytest.raises(BlockingIOError, match="non-blocking file has nothing to read now"),
    ):
        next(fragments(file))


def test_a_file_with_readinto_alone_is_read():
    parts = [b"ab", b"c", b""]

    class Reader:
        def readinto(self, buffer):
            part = parts.pop(0)
            buffer[: len(part)] = part
            return len(part)

    assert list(fragments(Reader())) == [b"ab", b"c"]


def test_a_file_of_the_wrong_mode_is_a_type_error(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"x\n")
    with (
        open(path, encoding="utf-8") as file,
        pytest.raises(TypeError, match="opened in binary mode is needed"),
    ):
        next(fragments(file))
    with open(path, "rb") as file, pytest.raises(TypeError, match="opened in text mode is needed"):
        next(fragments(file, text=True))


def test_temporary_files_that_wrap_another_are_files():
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x\ny\n")
        file.seek(0)
        assert list(fragments(file)) == [b"x\ny\n"]


def test_an_iterator_is_handed_on_so_that_the_stream_closes_it():
    source = Source([b"a", b"b"])
    found = fragments(source)
    assert list(found) == [b"a", b"b"]
    found.close()
    assert source.closed == 1


def test_an_iterable_is_not_closed_but_its_iterator_is():
    class Parts:
        closed = False

        def __iter__(self):
            try:
                yield b"a"
                yield b"b"
            finally:
                ends.append("iterator")

        def close(self):
            ends.append("iterable")

    ends = []
    found = fragments(Parts())
    assert next(found) == b"a"
    found.close()
    assert ends == ["iterator"]


@pytest.mark.parametrize("source", [5, None, 1.5, object()])
def test_what_is_no_source_is_a_type_error_that_says_what_is(source):
    with pytest.raises(
        TypeError, match=rf"cannot stream bytes from {type(source).__name__}: pass bytes-like data"
    ):
        fragments(source)


def test_a_socket_is_a_type_error():
    with socket.socket() as source, pytest.raises(TypeError, match="cannot stream bytes from socket"):
        fragments(source)


def test_an_asynchronous_source_needs_the_asynchronous_form():
    async def parts():
        yield b"a"

    with pytest.raises(TypeError, match="async_generator is asynchronous: use astream"):
        fragments(parts())


# ---- asynchronous ----


def collect(source, **options):
    async def run():
        return [fragment async for fragment in async_fragments(source, **options)]

    return asyncio.run(run())


@pytest.mark.parametrize("source", [b"ab", [b"a", b"b"], io.BytesIO(b"ab"), (part for part in [b"ab"])])
def test_every_synchronous_source_is_an_asynchronous_one(source):
    assert b"".join(collect(source)) == b"ab"


def test_a_path_is_an_asynchronous_source_that_is_closed(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"abc")

    async def run():
        source = async_fragments(Path(path))
        assert await anext(source) == b"abc"
        file = source._source._source._file
        await source.aclose()
        await source.aclose()
        assert file.closed
        assert [fragment async for fragment in source] == []

    asyncio.run(run())


def test_an_asynchronous_iterator_is_closed_once():
    closed = []

    class Parts:
        def __aiter__(self):
            return self

        async def __anext__(self):
            return b"a"

        async def aclose(self):
            closed.append(1)

    async def run():
        source = async_fragments(Parts())
        assert await anext(source) == b"a"
        await source.aclose()
        await source.aclose()

    asyncio.run(run())
    assert closed == [1]


def test_a_stream_reader_gives_what_is_there_and_stays_open():
    async def run():
        reader = asyncio.StreamReader()
        source = async_fragments(reader)
        reader.feed_data(b"no line end")
        assert await anext(source) == b"no line end"
        reader.feed_data(b"x")
        reader.feed_eof()
        assert [fragment async for fragment in source] == [b"x"]
        await source.aclose()

    asyncio.run(run())


def test_errors_of_synchronous_sources_come_at_once():
    with pytest.raises(TypeError, match="encode it"):
        async_fragments("text")
