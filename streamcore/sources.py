"""What may be streamed from, and who closes it.

| source | fragments | closed by us |
|---|---|---|
| bytes-like (``str`` for text stages) | one | no |
| ``os.PathLike`` | reads of a file, opened at the first pull | yes |
| binary (text) file object | what each read gives, without waiting for more | no: who opened it closes it |
| iterator, generator | its items | yes |
| other iterable | the items of an iterator made from it | that iterator |

The asynchronous form also takes async iterables, and readers with an ``async def read(n)`` such as
``asyncio.StreamReader``; every synchronous source as well (reading a file then blocks the event loop for the read).
A ``str`` is data, never a path.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import BuiltinFunctionType
from typing import Any

__all__ = ["FileFragments", "async_fragments", "fragments", "is_text"]

# Bytes of one read. A cached file of lines of 90 bytes at reads of 64, 256, 1024 KiB: lines 2.0, 2.1, 2.1 GB/s, batches
# 12.0, 14.7, 14.3, batches written out by the command line 8.7, 10.3, 3.6.
READ_SIZE = 256 * 1024


def fragments(source: Any, *, text: bool = False) -> Iterator[Any]:
    """An iterator of the fragments of ``source``; with ``text`` these are ``str``, else bytes-like.

    Where it has ``close()``, whoever takes the iterator must call it, and that closes what is ours to close. TypeError
    for what is no source.
    """
    kind = "text" if text else "bytes"
    if isinstance(source, str):
        if text:
            return iter((source,))
        raise TypeError("a bytes stage got a str: encode it, or pass pathlib.Path(...) to read a file")
    if _is_buffer(source):
        if not text:
            return iter((source,))
        raise TypeError(f"a text stage got {type(source).__name__}: decode it first, for instance by UTF8()")
    if isinstance(source, os.PathLike):
        return FileFragments(source, text=text)
    if _is_file(source):
        return FileFragments(source, text=text)
    if hasattr(source, "__aiter__") or _is_async(getattr(source, "read", None)):
        raise TypeError(f"{type(source).__name__} is asynchronous: use astream() or atransform()")
    if isinstance(source, Iterable):
        return iter(source)
    raise TypeError(
        f"cannot stream {kind} from {type(source).__name__}: pass bytes-like data, a pathlib.Path, "
        "a file object or an iterable of fragments"
    )


def is_text(source: Any) -> bool:
    """Whether ``source`` is text, for stages that take text and bytes."""
    return isinstance(source, (str, io.TextIOBase))


def _is_buffer(source: Any) -> bool:
    """Whether it has the buffer protocol and is not itself an iterable of fragments."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return True
    try:
        memoryview(source).release()
    except TypeError:
        return False
    except (BufferError, ValueError):  # a buffer, but not contiguous or released: the engine says so
        return True
    return True


def _is_file(source: Any) -> bool:
    """Whether it is read by calls, not by iteration (which would give lines) and not by awaiting."""
    return any(_sync_method(source, name) is not None for name in ("readinto1", "readinto", "read1", "read"))


def _sync_method(source: Any, name: str) -> Callable[..., Any] | None:
    method = getattr(source, name, None)
    return method if callable(method) and not _is_async(method) else None


def _is_async(method: object) -> bool:
    """Whether it is a coroutine function; where none is there, ``inspect`` is not imported."""
    if method is None or isinstance(method, BuiltinFunctionType):
        return False
    from inspect import iscoroutinefunction

    return iscoroutinefunction(method)


class FileFragments:
    """Iterator of what each read of a file gives; closes the file only if it opened it.

    ``file`` is a path, opened at the first pull, or an open file object, binary or (``text``) of text. A read takes
    what is there, up to ``size`` bytes, and does not wait for more; only a file that offers nothing but ``read(n)``
    decides that itself. Text that is not seekable (a pipe, a terminal) comes by lines, because ``read(n)`` of a text
    file waits for all n characters. BlockingIOError when a non-blocking file has nothing.
    """

    def __init__(self, file: Any, *, text: bool = False, size: int = READ_SIZE) -> None:
        self._text = text
        self._size = size
        self._path = file if isinstance(file, os.PathLike) else None
        self._file: Any = None if self._path is not None else file
        self._read: Callable[[], Any] | None = None
        self._done = False

    def __iter__(self) -> FileFragments:
        return self

    def __next__(self) -> Any:
        if self._done:
            raise StopIteration
        if self._read is None:
            self._read = self._open()
        fragment = self._read()
        if fragment is None:
            raise BlockingIOError("a non-blocking file has nothing to read now: use a blocking one")
        if not isinstance(fragment, str if self._text else (bytes, bytearray, memoryview)):
            mode = "text" if self._text else "binary"
            raise TypeError(
                f"a file opened in {mode} mode is needed here: its read() gave {type(fragment).__name__}"
            )
        if not len(fragment):
            self.close()
            raise StopIteration
        return fragment

    def close(self) -> None:
        """Let go of the file; close it when it was opened here. Further calls do nothing."""
        self._done = True
        file, self._file, self._read = self._file, None, None
        if self._path is not None and file is not None:
            file.close()

    def _open(self) -> Callable[[], Any]:
        """The call that reads a fragment."""
        if self._path is not None:
            # Unbuffered: each read is one system call, straight into the fragment.
            if self._text:
                self._file = open(self._path, encoding="utf-8", newline="")  # noqa: SIM115 - close() closes it
            else:
                self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115
        file, size = self._file, self._size
        if isinstance(file, io.RawIOBase):
            return lambda: file.read(size)
        read1 = None if self._text else _sync_method(file, "read1")
        if read1 is not None:
            return lambda: read1(size)
        read = _sync_method(file, "read")
        if self._text and hasattr(file, "readline") and not getattr(file, "seekable", lambda: True)():
            read = file.readline
        if read is not None:
            return lambda: read(size)
        if self._text:
            raise TypeError(f"{type(file).__name__} gives no text: it has no read()")
        readinto = _sync_method(file, "readinto1") or _sync_method(file, "readinto")
        assert readinto is not None
        return lambda: _read_into(readinto, size)


def _read_into(readinto: Callable[[bytearray], int | None], size: int) -> bytes | None:
    """One fragment from a file that has nothing but ``readinto``."""
    buffer = bytearray(size)
    count = readinto(buffer)
    if count is None:
        return None
    if not 0 <= count <= size:
        raise OSError(f"readinto() of {size} bytes gave {count}")
    return bytes(memoryview(buffer)[:count])


def async_fragments(source: Any, *, made: Callable[[Any], Iterator[Any]] = fragments) -> AsyncIterator[Any]:
    """An async iterator of the fragments of ``source``; of a synchronous one, those that ``made`` makes.

    Its ``aclose()`` closes what is ours to close, exactly once: an async iterator by ``aclose()``, a synchronous one
    by ``close()``. A reader such as ``asyncio.StreamReader`` belongs to who opened it.
    """
    if not isinstance(source, (str, os.PathLike)) and not _is_buffer(source):
        if _is_async(getattr(source, "read", None)):
            return AsyncFragments(_Reads(source), owned=False)
        if hasattr(source, "__aiter__"):
            return AsyncFragments(source.__aiter__(), owned=True)
    return AsyncFragments(_Awaitable(made(source)), owned=True)


class AsyncFragments:
    """Async iterator over another one; ``aclose()`` closes that once, if it is ours."""

    def __init__(self, source: Any, *, owned: bool) -> None:
        self._source = source
        self._owned = owned

    def __aiter__(self) -> AsyncFragments:
        return self

    async def __anext__(self) -> Any:
        if self._source is None:
            raise StopAsyncIteration
        return await self._source.__anext__()

    async def aclose(self) -> None:
        """Close the source; further calls do nothing."""
        source, self._source = self._source, None
        aclose = getattr(source, "aclose", None)
        if self._owned and aclose is not None:
            await aclose()


class _Reads:
    """The reads of an asynchronous reader, each of what is there."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    async def __anext__(self) -> Any:
        fragment = await self._reader.read(READ_SIZE)
        if not fragment:
            raise StopAsyncIteration
        return fragment


class _Awaitable:
    """A synchronous iterator with the methods of an asynchronous one."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source

    async def __anext__(self) -> Any:
        try:
            return next(self._source)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
