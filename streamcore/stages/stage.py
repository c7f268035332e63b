"""``Stage``: what every Runnable over an engine of the core shares."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _backend
from .._shared.notes import place
from ..runnables.base import Chunk, Input, Output, Runnable
from ..runnables.config import checked
from ..runnables.notes import note_source, watched_source
from ..sources import async_fragments, fragments

if TYPE_CHECKING:
    from ..runnables.config import RunnableConfig
    from .kinds import AsyncReader, Batches, ByteSource, Item
else:
    from typing import TypeVar

    ByteSource = Any
    Item = TypeVar("Item")

__all__ = ["ByteSource", "Item", "ItemStage", "Stage", "own_value", "written"]

FUNCTIONS = (FunctionType, BuiltinFunctionType)


class Stage(Runnable[Input, Output, Chunk]):
    """A Runnable that cuts a byte or text stream by an engine; its result does not depend on how the input is cut.

    ``stream`` takes any source (bytes-like, ``os.PathLike``, a binary file, an iterable of fragments), ``transform``
    an iterable of fragments. A subclass names its engine, hands its options on, and says what its fragments are where
    these are not bytes.
    """

    _closes_input = True
    _notes_source = True
    _engine: ClassVar[str]
    """Name of the engine's class, the same in both backends."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._args = tuple(map(own_value, args))
        self._options = {name: own_value(value) for name, value in options.items()}
        self.engine()  # a bad option shows here, not at the first chunk

    def __repr__(self) -> str:
        args = ", ".join([*map(written, self._args), *self._shown_options()])
        return f"{type(self).__name__}({args})"

    def _shown_options(self) -> Iterator[str]:
        """The options that differ from the defaults of the constructor."""
        defaults = type(self).__init__.__kwdefaults__ or {}
        for name, value in self._options.items():
            default = defaults.get(name, self)
            if value is not default and not (type(value) is type(default) and value == default):
                yield f"{name}={written(value)}"

    def engine(self) -> Any:
        """A new sans-IO engine: ``feed(fragment) -> list``, ``finish() -> list``, ``reset()``."""
        return getattr(_backend, self._engine)(*self._args, **self._options)

    @property
    def as_(self) -> Any:
        """The constructor's ``as_``, the type of the items; None for a stage without this option."""
        return self._options.get("as_")

    def batches(self, source: Any) -> Batches:
        """Cut ``source`` into columnar ``Batch`` objects: one data buffer and the offsets of the items in it."""
        return self.engine().batches(self._fragments(source))  # type: ignore[no-any-return]

    def _fragments(self, source: Any) -> Iterator[Any]:
        """The fragments of a source that is not asynchronous."""
        return fragments(source)

    def collect(self, chunks: Iterable[Any]) -> Output:
        """The list of the items."""
        return list(chunks)  # type: ignore[return-value]

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Chunk]:
        """Cut a source: bytes-like, a path, a binary file or an iterable of fragments."""
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.stream(input, config, **kwargs)
        return self._cut(input)

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Chunk]:
        """Cut fragments as they come."""
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.transform(input, config, **kwargs)
        return self._cut(input)

    def _cut(self, input: Any) -> Iterator[Chunk]:
        return self.engine().iterate(watched_source(self, self._fragments(input)))  # type: ignore[no-any-return]

    def astream(
        self,
        input: Input | AsyncIterable[Any] | AsyncReader,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Chunk]:
        """Cut a source on the event loop; also takes async iterables of fragments."""
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.astream(input, config, **kwargs)  # type: ignore[arg-type]
        return self._acut(async_fragments(input, made=self._fragments))

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Chunk]:
        """Cut fragments as they come, on the event loop."""
        config = checked(config)
        if (watched := self._watched(config)) is not None:
            return watched.atransform(input, config, **kwargs)
        return self._acut(async_fragments(input, made=self._fragments))

    def _acut(self, source: AsyncIterator[Any]) -> AsyncIterator[Chunk]:
        blocks = _fed(self, self.engine(), source)
        return _backend.async_closing_iterator(blocks, (source, blocks), blocks=True)


class ItemStage(Stage[ByteSource, list[Item], Item]):
    """A stage that cuts bytes into items, whose type is that of ``as_``."""


async def _fed(stage: Stage[Any, Any], engine: Any, source: AsyncIterator[Any]) -> AsyncIterator[list[Any]]:
    """The items that each fragment completes, as a list."""
    pulling = True
    try:
        async for fragment in source:
            pulling = False
            yield engine.feed(fragment)
            if engine.error is not None or _is_done(engine):
                break
            pulling = True
        pulling = False
        yield engine.finish()  # raises an error of the input, after the items before it
        if engine.error is not None:
            engine.finish()
    except Exception as error:
        if pulling:
            note_source(stage, error)
        else:
            place(error, f"{type(stage).__name__}, at byte {engine.offset} of its input")
        raise


def _is_done(engine: Any) -> bool:
    """Whether no further input can give an item."""
    return getattr(engine, "done", False) or getattr(engine, "stopped", None) is not None


def own_value(value: Any) -> Any:
    """An option that nobody changes later: ints, strings and bytes as such, whatever they came as."""
    kind = type(value)
    if kind in (int, str, bytes, bool) or isinstance(value, type):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if not hasattr(kind, "__index__") or callable(value):
        return value
    try:
        return int.__index__(operator.index(value))
    except Exception:  # noqa: BLE001 - of its own code; the engine asks again, and says what is wrong
        return value


def written(value: Any) -> str:
    """How one writes a value in code: of a function or class its name, where it has one."""
    if isinstance(value, partial) and type(value) is partial:
        keywords = (f"{name}={written(item)}" for name, item in value.keywords.items())
        return f"functools.partial({', '.join([*map(written, (value.func, *value.args)), *keywords])})"
    if isinstance(value, MethodType) and isinstance(value.__self__, type):
        return f"{written(value.__self__)}.{value.__name__}"
    if not isinstance(value, (type, *FUNCTIONS)):
        return repr(value)  # a method of an object, too: its name alone would be another function
    name, module = getattr(value, "__qualname__", None), getattr(value, "__module__", None)
    if not isinstance(name, str) or not isinstance(module, str) or "<" in name:
        return repr(value)
    return name if module == "builtins" else f"{module}.{name}"
