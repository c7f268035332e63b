"""How much a stream gives, and how long its consumer waits for it (twin: ``_native.streams.metering``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Self, TypeVar

from ..._shared.notes import loud
from ..._shared.steps import DROPPED
from ..buffers.view import View
from .closing import RUNNING

__all__ = ["Meter", "metered_iterator"]

T_co = TypeVar("T_co", covariant=True)


class Meter:
    """Counts chunks, bytes of those that are text, in UTF-8, or bytes-like, and the seconds waited, by ``now()``."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._before = 0.0  # waited until then
        self._since: float | None = None  # when the wait under way began
        self._items = 0
        self._bytes = 0

    @property
    def items(self) -> int:
        return self._items

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def waited(self) -> float:
        """Seconds, of the wait under way too."""
        return self._before if self._since is None else self._before + self._now() - self._since

    def wait(self) -> None:
        """The consumer waits from now on."""
        self._since = self._now()

    def count(self, chunk: object) -> None:
        """``chunk`` has come, and the consumer waits no longer."""
        if self._since is not None:
            self._before += self._now() - self._since
            self._since = None
        self._items += 1
        self._bytes += len(chunk) if type(chunk) is bytes else size_of(chunk)


def size_of(chunk: object) -> int:
    if isinstance(chunk, str):
        return str.__len__(chunk) if str.isascii(chunk) else len(str.encode(chunk, "utf-8", "surrogatepass"))
    if isinstance(chunk, (memoryview, View)):
        try:
            return chunk.nbytes
        except ValueError:  # it was released
            return 0
    if isinstance(chunk, bytes):
        return bytes.__len__(chunk)
    return bytearray.__len__(chunk) if isinstance(chunk, bytearray) else 0


class metered_iterator(Generic[T_co]):  # noqa: N801 - the twin of a function-like class
    """Iterate over what ``begin()`` gives at the first pull, with ``meter`` counting.

    ``first()`` is called once the first chunk is there, and ``end(error)`` when all is over, unless it never began:
    with None, with the exception, which is raised as it is, or with a GeneratorExit if it is closed or dropped before.
    It is ``end`` that closes what was begun. ``of`` is kept: the iterator that ``begin`` will give, where it is known.
    """

    def __init__(
        self,
        meter: Meter,
        begin: Callable[[], Iterable[T_co]],
        first: Callable[[], object],
        end: Callable[[BaseException | None], object],
        of: Iterator[T_co] | None = None,
    ) -> None:
        if not isinstance(meter, Meter):
            raise TypeError(f"meter must be a Meter, got {type(meter).__name__}")
        self._running = False
        self._source: Iterator[T_co] | None = None  # before, and when all is over
        self._meter = meter
        self._begin: Callable[[], Iterable[T_co]] | None = begin  # None once it has begun
        self._first: Callable[[], object] | None = first
        self._finish = end
        self._of = of

    @property
    def of(self) -> Iterator[T_co] | None:
        return self._of

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T_co:
        if self._running:
            raise ValueError(RUNNING)
        if self._source is None and self._begin is None:
            raise StopIteration
        self._running = True
        chunk: Any = DROPPED
        meter = self._meter
        try:
            if self._source is None and self._begin is not None:
                begin, self._begin = self._begin, None
                self._source = iter(begin())
            if meter._since is None:
                meter.wait()
            chunk = next(self._source, DROPPED)  # type: ignore[arg-type]
            if chunk is not DROPPED:
                meter.count(chunk)
                if self._first is not None:
                    first, self._first = self._first, None
                    first()
        except BaseException as error:  # noqa: BLE001 - raised as it is, unless it would be an end
            raised = loud(error)
            try:
                self._over(raised)
                raise raised
            finally:
                del raised  # the traceback holds this frame: a cycle otherwise
        if chunk is DROPPED:
            self._over(None)
            raise StopIteration
        self._running = False
        return chunk  # type: ignore[no-any-return]

    def close(self) -> None:
        """End it, unless it has ended."""
        if self._running:
            raise ValueError(RUNNING)
        self._begin = None
        if self._source is not None:
            self._running = True
            self._over(GeneratorExit())

    def __del__(self) -> None:
        if getattr(self, "_source", None) is not None and not self._running:
            self.close()

    def _over(self, error: BaseException | None) -> None:
        """Nothing more comes, because of ``error`` where it is not None."""
        end = self._finish
        self._source = self._first = self._of = None
        self._finish = do_nothing
        try:
            end(error)
        finally:
            self._running = False


def do_nothing(error: object) -> None:
    """It is over already."""
