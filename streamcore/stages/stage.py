"""``Stage``: what every Runnable over an engine of the core shares."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _backend
from .._shared.notes import place
from ..runnables.base import Runnable
from ..sources import async_fragments, fragments

if TYPE_CHECKING:
    from ..batch import Batch
    from ..runnables.config import RunnableConfig

__all__ = ["Stage"]


class Stage(Runnable[Any, Any]):
    """A Runnable that cuts a byte or text stream by an engine; its result does not depend on how the input is cut.

    ``stream`` takes any source (bytes-like, ``os.PathLike``, a binary file, an iterable of fragments), ``transform``
    an iterable of fragments. A subclass names its engine and whether it takes text, and hands its options on.
    """

    _closes_input = True
    _acloses_input = True
    _engine: ClassVar[str]
    """Name of the engine's class, the same in both backends."""
    _text: ClassVar[bool] = False
    """Whether ``str`` is data here."""
    _core: Any = _backend
    """Where the engine is looked up; tests put one backend here to hold the twins equal."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._args = args
        self._options = options
        self.engine()  # a bad option shows here, not at the first chunk

    def __repr__(self) -> str:
        args = ", ".join([*map(repr, self._args), *self._shown_options()])
        return f"{type(self).__name__}({args})"

    def _shown_options(self) -> Iterator[str]:
        """The options that differ from the defaults of the constructor."""
        defaults = type(self).__init__.__kwdefaults__ or {}
        for name, value in self._options.items():
            if name not in defaults or defaults[name] != value:
                yield f"{name}={value.__name__ if isinstance(value, type) else repr(value)}"

    def engine(self) -> Any:
        """A new sans-IO engine: ``feed(fragment) -> list``, ``finish() -> list``, ``reset()``."""
        return getattr(self._core, self._engine)(*self._args, **self._options)

    def batches(self, source: Any) -> Iterator[Batch]:
        """Cut ``source`` into columnar ``Batch`` objects: one data buffer and the offsets of the items in it."""
        return self.engine().batches(fragments(source, text=self._text))  # type: ignore[no-any-return]

    def collect(self, chunks: Iterable[Any]) -> Any:
        """The list of the items."""
        return list(chunks)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Cut a source: bytes-like, a path, a binary file or an iterable of fragments."""
        return self.engine().iterate(fragments(input, text=self._text))  # type: ignore[no-any-return]

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        """Cut fragments as they come."""
        return self.engine().iterate(fragments(input, text=self._text))  # type: ignore[no-any-return]

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Cut a source on the event loop; also takes async iterables of fragments."""
        return self._acut(async_fragments(input, text=self._text))

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Cut fragments as they come, on the event loop."""
        return self._acut(async_fragments(input, text=self._text))

    def _acut(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        blocks = _fed(self.engine(), source, type(self).__name__)
        return _backend.async_closing_iterator(blocks, (source, blocks), blocks=True)


async def _fed(engine: Any, source: AsyncIterator[Any], name: str) -> AsyncIterator[list[Any]]:
    """The items that each fragment completes, as a list."""
    try:
        async for fragment in source:
            yield engine.feed(fragment)
            if engine.error is not None:
                break
        yield engine.finish()  # raises an error of the input, after the items before it
        if engine.error is not None:
            engine.finish()
    except Exception as error:
        place(error, f"{name}, at byte {engine.offset} of its input")
        raise
