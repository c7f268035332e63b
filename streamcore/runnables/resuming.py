"""What a new attempt of a stream needs of the one before: its input, and what the consumer has been given."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from .._shared.steps import DROPPED
from .folding import is_view

if TYPE_CHECKING:
    from hashlib import blake2b

__all__ = ["AsyncReplay", "Differs", "Given", "Replay"]


class Kept:
    """The chunks pulled so far, up to ``limit``: beyond that they are ``over``, and no other attempt is possible."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.over = False
        self.failed: BaseException | None = None
        """What the source raised: it gives nothing more, so that another attempt would take that for its end."""
        self._chunks: list[Any] = []
        self._keeping = True

    def forget(self) -> None:
        """No other attempt will follow: what comes from now on need not be kept."""
        self._keeping = False

    def keep(self, chunk: Any) -> None:
        if not self._keeping:
            self._chunks.clear()
        elif len(self._chunks) < self.limit:
            self._chunks.append(chunk)
        else:
            self.over = True
            self._keeping = False
            self._chunks.clear()


class Replay(Kept):
    """A source for several attempts, one after the other: each gets all chunks from the first one on."""

    def __init__(self, source: Iterator[Any], limit: int) -> None:
        super().__init__(limit)
        self._source = source

    def pull(self) -> Any:
        if self.failed is not None:
            raise self.failed
        try:
            chunk = next(self._source)
        except StopIteration:
            raise
        except BaseException as error:
            self.failed = error
            raise
        self.keep(chunk)
        return chunk

    def attempt(self) -> Again:
        return Again(self)


class Again:
    """The input of one attempt; closing it leaves the source open."""

    def __init__(self, replay: Replay) -> None:
        self._replay: Replay | None = replay
        self._at = 0

    def __iter__(self) -> Again:
        return self

    def __next__(self) -> Any:
        replay, at = self._replay, self._at
        if replay is None:
            raise StopIteration
        if at < len(replay._chunks):
            self._at = at + 1
            return replay._chunks[at]
        chunk = replay.pull()
        self._at = len(replay._chunks)
        return chunk

    def close(self) -> None:
        self._replay = None


class AsyncReplay(Kept):
    """Async ``Replay``. A pull that an attempt gave up half-way counts as a failure of the source."""

    def __init__(self, source: AsyncIterator[Any], limit: int) -> None:
        super().__init__(limit)
        self._source = source

    async def pull(self) -> Any:
        if self.failed is not None:
            raise self.failed
        try:
            chunk = await anext(self._source)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.failed = error
            raise
        self.keep(chunk)
        return chunk

    def attempt(self) -> AsyncAgain:
        return AsyncAgain(self)


class AsyncAgain:
    """Async ``Again``."""

    def __init__(self, replay: AsyncReplay) -> None:
        self._replay: AsyncReplay | None = replay
        self._at = 0

    def __aiter__(self) -> AsyncAgain:
        return self

    async def __anext__(self) -> Any:
        replay, at = self._replay, self._at
        if replay is None:
            raise StopAsyncIteration
        if at < len(replay._chunks):
            self._at = at + 1
            return replay._chunks[at]
        chunk = await replay.pull()
        self._at = len(replay._chunks)
        return chunk

    async def aclose(self) -> None:
        self._replay = None


class Differs(Exception):
    """A new stream does not begin with what the consumer has."""


class Given:
    """What the consumer has: characters of text, bytes, or else chunks; how many, and a digest of them."""

    def __init__(self) -> None:
        self._kind: str | None = None  # None before the first chunk
        self._amount = 0
        self._digest = _digest()
        self._left = 0  # of that, what the attempt under way has not given again
        self._again = self._digest.copy()

    def begin(self) -> None:
        """A new attempt begins."""
        self._left = self._amount
        self._again = _digest()

    def rest(self, chunk: Any) -> Any:
        """What of ``chunk`` the consumer has not, DROPPED if nothing; ``Differs`` if it has something else."""
        if self._kind == "mixed":
            if self._left:
                raise Differs
            return chunk
        kind = _kind(chunk)
        if self._left:
            if kind != self._kind:
                raise Differs
            chunk = self._skipped(kind, chunk)
        if chunk is not DROPPED:
            self._add(kind, chunk)
        return chunk

    def end(self) -> None:
        """The new stream is at its end."""
        if self._left:
            raise Differs

    def _skipped(self, kind: str, chunk: Any) -> Any:
        rest: Any = DROPPED
        data = _data(kind, chunk)
        if data is None:
            raise Differs
        if kind == "chunks":
            self._left -= 1
        else:
            whole = chunk if kind == "text" else data
            head, rest = whole[: self._left], whole[self._left :] or DROPPED
            self._left -= len(head)
            data = _data(kind, head)
        self._again.update(data or b"")
        if not self._left and self._again.digest() != self._digest.digest():
            raise Differs
        return rest

    def _add(self, kind: str, chunk: Any) -> None:
        data = _data(kind, chunk)
        if data is None or self._kind not in (None, kind):
            self._kind = "mixed"  # and never to be compared
            self._amount = 1
            return
        self._kind = kind
        self._amount += 1 if kind == "chunks" else len(chunk) if kind == "text" else len(data)
        self._digest.update(data)


def _digest() -> blake2b:
    from hashlib import blake2b  # here and below: 4 ms of an import of Runnables, that few need

    return blake2b(digest_size=16)


def _kind(chunk: Any) -> str:
    if isinstance(chunk, str):
        return "text"
    return "bytes" if isinstance(chunk, (bytes, bytearray, memoryview)) or is_view(chunk) else "chunks"


def _data(kind: str, chunk: Any) -> bytes | None:
    """The bytes by which a chunk is compared; None for one that cannot be."""
    if kind == "text":
        return str.encode(chunk, "utf-8", "surrogatepass")
    if kind == "bytes":
        return chunk if type(chunk) is bytes else bytes(chunk)
    import pickle

    written = io.BytesIO()
    pickler = pickle.Pickler(written, protocol=5)
    pickler.fast = True  # by value alone: not by which parts are the same object
    try:
        pickler.dump(chunk)
    except Exception:  # noqa: BLE001 - code of others: without its bytes a chunk is like no other
        return None
    return written.getvalue()
