"""``catch``: an error of the stages before it becomes the end of the stream, or something else to go on with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from .._backend import async_closing_iterator, closing_iterator, flat_iterator
from .._shared.async_ends import aclose_all
from .._shared.notes import loud, place
from ..runnables.attempts import checked_exceptions, handles
from ..runnables.base import Runnable
from ..runnables.function import is_async, name_of
from ..runnables.notes import note_source
from ..runnables.written import Written
from .combining import taken
from .flattening import Held
from .operator import Passing, is_one_value, public

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Iterable

    from ..runnables.config import RunnableConfig

    Following = Iterable[Any] | AsyncIterable[Any] | None

__all__ = ["catch"]


@public
class catch(Passing[Any]):  # noqa: N801 - the field's word, used as ops.catch
    """The items; where a stage before it fails the stream ends, or goes on with what ``handler(error)`` gives.

    ``exceptions``: types, or a predicate of the error; only an ``Exception`` is caught. The stages before it are closed
    when ``handler`` is called, which gives an iterable or, for nothing more, None; in async streams it may be a
    coroutine function, and give an async iterable. What it raises, what fails in that iterable, and what a later stage
    raises, is not caught. An error of closing what came to its end counts, one of closing the stream early does not.
    """

    _notes_source = True
    _catches = True

    def __init__(
        self, exceptions: Any, handler: Callable[[Any], Following | Awaitable[Following]] | None = None
    ) -> None:
        self.exceptions = checked_exceptions("ops.catch: exceptions", exceptions)
        if handler is not None and not callable(handler):
            raise TypeError(f"ops.catch: handler must be callable, got {type(handler).__name__}")
        self.handler = handler
        if handler is not None and is_async(handler):
            self._written = Written(("astream", "atransform"))

    def __repr__(self) -> str:
        kinds = self.exceptions
        if isinstance(kinds, tuple):
            named = ", ".join(kind.__name__ for kind in kinds)
            shown = named if len(kinds) == 1 else f"({named})"
        else:
            shown = name_of(kinds)
        return f"ops.catch({shown}{'' if self.handler is None else f', {name_of(self.handler)}'})"

    def _behind(self, source: Iterator[Any], config: RunnableConfig | None) -> Iterator[Any]:
        if not self._written.is_sync:
            return Runnable.transform(self, source, config)
        waiting = [source]
        return flat_iterator(taken(waiting), waiting, None, self._following)

    def _over(
        self, source: AsyncIterator[Any], owned: tuple[object, ...], config: RunnableConfig | None
    ) -> AsyncIterator[Any]:
        held = Held(owned)
        items = self._aitems_of(source, held)
        return async_closing_iterator(items, (held, items))

    def _following(self, error: Exception) -> Iterator[Any]:
        """What comes instead of the rest."""
        note_source(self, error)
        try:
            if not self._handles(error):
                raise error
            items = iter(() if self.handler is None else self._checked(self.handler(error), ("__iter__",)))
        except Exception as failure:
            self._place(failure)
            if isinstance(failure, StopIteration):
                raise loud(failure) from failure
            raise
        finally:
            del error  # the traceback holds this frame: a cycle otherwise
        return closing_iterator(items, (items,), self._place)

    async def _aitems_of(self, source: AsyncIterator[Any], held: Held) -> AsyncIterator[Any]:
        failure: Exception | None = None
        try:
            try:
                async for item in source:
                    yield item
            except Exception as error:
                note_source(self, error)
                await aclose_all(held.entries, error)
                raise
            except BaseException as error:
                held.given_up = isinstance(error, GeneratorExit)
                raise
            await aclose_all(held.entries, None)
        except Exception as error:
            if not self._handles(error):
                raise
            failure = error
        if failure is None or self.handler is None:
            return
        del source
        try:
            following: Any = self.handler(failure)
            if isawaitable(following):
                following = await following
            following = self._checked(following, ("__aiter__", "__iter__"))
            failure = None  # its traceback holds this frame
            if hasattr(following, "__aiter__"):
                following = aiter(following)
                held.entries.append(following)
                async for item in following:
                    yield item
            else:
                following = iter(following)
                held.entries.append(following)
                for item in following:
                    yield item
        except BaseException as error:
            held.given_up = isinstance(error, GeneratorExit)
            self._place(error)
            raise

    def _handles(self, error: Exception) -> bool:
        try:
            return handles(self.exceptions, error)
        except Exception as failure:
            self._place(failure)
            raise

    def _checked(self, following: Any, methods: tuple[str, ...]) -> Any:
        if following is None:
            return ()
        if is_one_value(following) or not any(hasattr(following, method) for method in methods):
            raise TypeError(
                f"the handler must give an iterable of items or None, got {type(following).__name__}"
            )
        return following

    def _place(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            place(error, repr(self))
