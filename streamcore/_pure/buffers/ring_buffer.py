"""Bounded FIFO of bytes made of reference-counted segments (native: ``_native.buffers.ring_buffer``)."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from io import BytesIO
from operator import index
from sys import maxsize
from typing import TYPE_CHECKING, NoReturn, SupportsIndex, final

from .view import freeze

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["RingBuffer"]

# Fewer bytes than this are gathered: an object and an entry of their own would cost more than they hold.
SMALL = 64
# Bytes gathered in one block at most, because a view of one of them keeps the whole block alive.
SLAB = 16384


def integer(value: object, name: str) -> int:
    """``value`` as an int; TypeError for bool and for what is no integer."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    return index(value)


@final
class RingBuffer:
    """Bounded first-in first-out buffer of bytes that copies as little as it can.

    It holds at most ``capacity`` bytes. ``write`` takes as many as fit and tells how many, so a full buffer
    pushes back by taking 0; nothing ever waits. Memory is allocated as bytes come in and freed as they go
    out, never up front. ``bytes`` of 64 bytes and more, and views of them, are kept by reference: a ``read``
    that asks for just what one ``write`` gave returns that very object. Shorter pieces are gathered in slabs;
    mutable buffers are copied once, on entry. ``copied_bytes`` counts what was copied in and out.

    What it keeps alive is bounded: a part of a larger object is taken by reference only if it is at least
    half of it, else copied, so the objects held are at most twice ``capacity``. Bytes from ``read`` and
    ``peek`` stand for themselves. A view from ``views`` never changes, and keeps alive the whole object or
    slab (at most 16 KiB) that it lies in; a slab is used again only when no view of it lives.

    Calls from several threads must not overlap (``Channel`` hands over between threads); if they do, memory
    stays sound. A closed buffer raises ValueError for all but ``close``, ``closed``, ``len``, ``free``,
    ``capacity`` and ``copied_bytes``.
    """

    __slots__ = ("_bound", "_capacity", "_closed", "_copied", "_grant", "_lent", "_room", "_segments")

    def __init__(self, capacity: int) -> None:
        capacity = integer(capacity, "capacity")
        if capacity <= 0:
            raise ValueError(f"capacity must be positive, got {capacity}")
        if capacity > maxsize:
            raise ValueError(f"capacity must be at most {maxsize}, got {capacity}")
        self._capacity = capacity
        # Both are without the grant, and 0 once closed. What is held is the difference: one number less to keep
        # up is a seventh of the time of a small write and read.
        self._bound = capacity
        self._room = capacity  # what write() may take
        # A bytearray gathers small pieces; views are given only of its bytes, once it takes no more.
        self._segments: deque[bytes | bytearray | memoryview] = deque()
        self._grant: bytearray | None = None
        self._lent: memoryview | None = None  # the grant as the caller has it
        self._copied = 0
        self._closed = False

    # -- in

    def write(self, data: ReadableBuffer) -> int:
        """Append as many of the first bytes of ``data`` as are free, and return how many; 0 when full.

        TypeError if ``data`` is not bytes-like, BufferError if it is not C-contiguous.
        """
        if type(data) is bytes and SMALL <= (size := len(data)) <= self._room:
            self._segments.append(data)
            self._room -= size
            return size
        self._check_open()
        piece = freeze(data, "write()", borrow=True)
        self._check_open()  # again: the data's own code may have closed it
        return self._append(piece[: self._room])

    def _append(self, piece: memoryview) -> int:
        size = len(piece)
        owner = piece.obj
        if size < SMALL:
            self._gather(piece)
        elif type(owner) is bytes and 2 * size >= len(owner):
            self._segments.append(owner if size == len(owner) else piece)
        else:
            self._segments.append(piece.tobytes())
            self._copied += size
        self._room -= size
        return size

    def _gather(self, piece: memoryview) -> None:
        last = self._segments[-1] if self._segments else None
        if isinstance(last, bytearray) and len(last) + len(piece) <= SLAB:
            last += piece
        elif piece:
            self._segments.append(bytearray(piece))
        self._copied += len(piece)

    def grant(self, n: int) -> memoryview:
        """Lend ``n`` bytes of writable memory (fewer if fewer are free), to be filled and then committed.

        For ``readinto`` and ``recv_into``: what they read goes straight into the buffer. The space is taken
        off ``free`` until ``commit``; its content is undefined until written. BufferError if a grant is
        outstanding, or if nothing is free: memory of no bytes would make a file look exhausted.
        """
        n = integer(n, "n")
        self._check_open()
        if n <= 0:
            raise ValueError(f"n must be positive, got {n}")
        if self._grant is not None:
            raise BufferError(f"a grant of {len(self._grant)} bytes is outstanding: commit() it first")
        if not self._room:
            raise BufferError(f"nothing is free to grant: {len(self)} of {self._capacity} bytes are in use")
        self._grant = bytearray(min(n, self._room))
        self._lent = memoryview(self._grant)
        self._bound -= len(self._grant)
        self._room -= len(self._grant)
        return self._lent

    def commit(self, n: int) -> None:
        """Append the first ``n`` bytes of the grant and end it; 0 gives it up.

        The granted memoryview is released. Where a slice of it or another buffer on it lives on, the bytes
        are copied, so that writing through those changes nothing here. BufferError if there is no grant, or
        if ``n`` is beyond it: it then stays outstanding.
        """
        n = integer(n, "n")
        self._check_open()
        if n < 0:
            raise ValueError(f"n must not be negative, got {n}")
        if self._grant is None:
            raise BufferError(f"commit of {n} bytes without a grant")
        if n > len(self._grant):
            raise BufferError(f"commit of {n} bytes is beyond the grant of {len(self._grant)}")
        self._append(memoryview(self._grant)[:n])
        self._end_grant()

    def _end_grant(self) -> None:
        if self._grant is not None and self._lent is not None:
            self._bound += len(self._grant)
            self._room += len(self._grant)
            with suppress(BufferError):  # something else uses it: it keeps memory that is no longer ours
                self._lent.release()
            self._grant = self._lent = None

    # -- out

    def read(self, n: int | None = -1) -> bytes:
        """Take the first ``n`` bytes; fewer if fewer are held, all of them for -1 and None."""
        segments = self._segments
        if segments:
            head = segments[0]
            if type(n) is int and type(head) is bytes and len(head) == n:
                self._room += n
                del segments[0]
                return head
        n = self._count(n)
        pieces = self._take(n)
        if len(pieces) == 1 and type(pieces[0]) is bytes:
            return pieces[0]
        self._copied += n
        return b"".join(pieces)

    def peek(self, n: int | None = -1) -> bytes:
        """The bytes that ``read(n)`` would take, left where they are."""
        n = self._count(n)
        pieces = self._pieces(0, n)
        if len(pieces) == 1 and type(pieces[0]) is bytes:
            return pieces[0]
        self._copied += n
        return b"".join(pieces)

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Take as many bytes as ``buffer`` has space for, write them there, and return how many."""
        self._check_open()
        try:
            target = memoryview(buffer)
        except TypeError:
            target = memoryview(b"")
        else:
            self._check_open()  # again: the buffer's own code may have closed it
        if (
            target.readonly or "O" in target.format
        ):  # bytes written to an array of objects would be taken for pointers
            raise TypeError(f"readinto() takes a writable bytes-like object, got {type(buffer).__name__}")
        if not target.c_contiguous and target.nbytes:
            raise BufferError(
                f"readinto() takes C-contiguous data, got a {target.ndim}-dimensional view with gaps"
            )
        n = min(target.nbytes, len(self))
        if n:
            BytesIO(b"".join(self._take(n))).readinto(
                buffer
            )  # a memoryview has no cast from formats such as ">i"
            self._copied += n
        return n

    def consume(self, n: int) -> None:
        """Drop the first ``n`` bytes; ValueError if fewer are held."""
        n = integer(n, "n")
        self._check_open()
        if n < 0:
            raise ValueError(f"n must not be negative, got {n}")
        if n > len(self):
            raise ValueError(f"cannot consume {n} bytes, {len(self)} are held")
        self._take(n)

    def clear(self) -> None:
        """Drop all bytes held; an outstanding grant stays."""
        self._check_open()
        self._take(len(self))

    def views(self, n: int | None = -1) -> list[memoryview]:
        """Views of the first ``n`` bytes (all for -1 and None), one a segment; nothing is copied or taken.

        Follow with ``consume`` to take what they show. They stay as they are whatever happens to the buffer.
        """
        n = self._count(n)
        segments = self._segments
        seen = 0
        for place, segment in enumerate(segments):
            if seen >= n:
                break
            if isinstance(segment, bytearray):
                segments[place] = bytes(segment)
            seen += len(segment)
        return [memoryview(piece) for piece in self._pieces(0, n)]

    def find(self, sub: ReadableBuffer | SupportsIndex, start: int | None = 0, end: int | None = None) -> int:
        """The first place of ``sub`` among the bytes held, or -1; arguments as those of ``bytes.find``.

        Only what lies between ``start`` and ``end`` is looked at: pass where the last search ended (less
        ``len(sub) - 1``) to look at no byte twice. Linear in that length.
        """
        self._check_open()
        b"".find(sub)  # raises what bytes.find raises
        first = 0 if start is None else index(start)
        last = maxsize if end is None else index(end)
        self._check_open()  # again: the arguments' own code may have closed it
        held = len(self)
        first = max(first + held, 0) if first < 0 else first
        last = max(last + held, 0) if last < 0 else min(last, held)
        if first > last:
            return -1
        found = b"".join(self._pieces(first, last)).find(sub)
        return found if found < 0 else first + found

    def _count(self, n: int | None) -> int:
        n = -1 if n is None else integer(n, "n")
        self._check_open()
        if n < -1:
            raise ValueError(f"n must be -1 (all) or not negative, got {n}")
        return len(self) if n == -1 else min(n, len(self))

    def _pieces(self, start: int, stop: int) -> list[bytes | bytearray | memoryview]:
        """What the bytes from ``start`` to ``stop`` consist of, reached from the nearer end."""
        pieces: list[bytes | bytearray | memoryview] = []
        if start <= len(self) - stop:
            place = 0
            for segment in self._segments:
                if place >= stop:
                    break
                if place + len(segment) > start:
                    pieces.append(_part(segment, start - place, stop - place))
                place += len(segment)
        else:
            place = len(self)
            for segment in reversed(self._segments):
                if place <= start:
                    break
                place -= len(segment)
                if place < stop:
                    pieces.append(_part(segment, start - place, stop - place))
            pieces.reverse()
        return pieces

    def _take(self, n: int) -> list[bytes | bytearray | memoryview]:
        """Remove the first ``n`` bytes and give what they consist of."""
        segments = self._segments
        if n == len(self):
            self._room = self._bound
            pieces = list(segments)
            segments.clear()
            return pieces
        self._room += n
        pieces = []
        while n > 0:
            head = segments.popleft()
            n -= len(head)
            if n < 0:
                whole = memoryview(bytes(head) if isinstance(head, bytearray) else head)
                segments.appendleft(whole[n:])
                head = whole[:n]
            pieces.append(head)
        return pieces

    # -- state

    def close(self) -> None:
        """Drop everything held and the grant; views given out stay valid. Calling it again does nothing."""
        self._end_grant()
        self._segments.clear()
        self._bound = self._room = 0
        self._closed = True

    @property
    def capacity(self) -> int:
        """The most bytes it holds."""
        return self._capacity

    @property
    def free(self) -> int:
        """How many bytes ``write`` would take now."""
        return self._room

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    @property
    def copied_bytes(self) -> int:
        """Bytes copied so far on their way in and out (the backends copy in different places)."""
        return self._copied

    def __len__(self) -> int:
        return self._bound - self._room

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self)} of {self._capacity} bytes"
        return f"<RingBuffer: {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle 'RingBuffer' object")

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("RingBuffer is closed")


def _part(segment: bytes | bytearray | memoryview, start: int, stop: int) -> bytes | bytearray | memoryview:
    """``segment[start:stop]``, and ``segment`` itself if that is all of it."""
    if start <= 0 and stop >= len(segment):
        return segment
    if isinstance(segment, bytearray):  # a memoryview of it would stop it from gathering more
        return segment[max(start, 0) : stop]
    return memoryview(segment)[max(start, 0) : stop]
