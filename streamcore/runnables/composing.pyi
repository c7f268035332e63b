"""What a Runnable is generic in, and the types of ``|``: a chain of known stages has known types.

A stage that waits for its whole input takes the ``Output`` of the stage before it, one that streams takes its chunks.
Which of the two a class does, no annotation says: so a neighbour fits if it takes one of them. Type checkers alone
read this; there is no module of this name at run time.
"""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, Generic, Literal, Protocol, overload

from typing_extensions import TypedDict, TypeVar

from .addable import AddableDict
from .base import Runnable
from .config import RunnableConfig
from .function import RunnableLambda
from .sequence import RunnableSequence

Input = TypeVar("Input", contravariant=True, default=Any)
Output = TypeVar("Output", covariant=True, default=Any)
Chunk = TypeVar("Chunk", covariant=True, default=Output)
# What a function is given: bound to Any, so that pyright takes the parameter of a lambda for Any and not for object.
Given = TypeVar("Given", bound=Any)
Same = TypeVar("Same", default=Any)
"""What passes through."""
Made = TypeVar("Made", default=Any)
Part = TypeVar("Part")
Folded = TypeVar("Folded")
In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)

class NoMore(TypedDict, total=False, closed=True):
    """The keyword arguments that every Runnable takes beyond ``config``: none, so that a method may be written without
    ``**kwargs``. A class that takes some says so itself."""

Fold = Literal["error", "last", "list"] | Callable[[list[Any]], Any]
"""What may be given as ``fold=``."""
FoldFunction = Callable[[Iterable[Any]], Any]

class FunctionOptions(TypedDict, total=False):
    name: str | None
    fold: Fold | None
    collect: Callable[[Iterable[Any]], Any] | None

class MakesItems(Protocol[In, Out]):
    """An operator that makes items of items."""

    def _makes(self, item: In, /) -> Out: ...

class PassesItems(Protocol[In]):
    """An operator that passes items on."""

    def _passes(self, item: In, /) -> None: ...

class Foreign(Protocol):
    """An object of another library that has the method names: for ``coerce_to_runnable``."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any: ...
    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Any: ...
    def transform(self, input: Any, config: Any = None, **kwargs: Any) -> Any: ...

Stage = Runnable[Input, Output, Chunk] | Foreign | Callable[..., Any] | Mapping[str, Any]
"""What ``coerce_to_runnable`` takes."""

class Named(Foreign, Protocol):
    """One of LangChain. Without a method that ours have not, ``|`` would take every wrong neighbour for foreign."""

    def get_input_schema(self, config: Any = None) -> Any: ...

class Decorator(Protocol):
    """What ``runnable(name=...)`` gives."""

    @overload
    def __call__(
        self,
        func: Callable[[Given], Generator[Made, Any, Any]] | Callable[[Given], AsyncGenerator[Made, Any]],
        /,
    ) -> RunnableLambda[Given, Made, Made]: ...
    @overload
    def __call__(
        self, func: Callable[[Given], Iterator[Any]] | Callable[[Given], AsyncIterator[Any]], /
    ) -> RunnableLambda[Given, Any, Any]: ...
    @overload
    def __call__(
        self, func: Callable[[Given], Runnable[Given, Made, Part]], /
    ) -> RunnableLambda[Given, Made, Part]: ...
    @overload
    def __call__(
        self, func: Callable[[Given], Coroutine[Any, Any, Made]], /
    ) -> RunnableLambda[Given, Made, Made]: ...
    @overload
    def __call__(
        self, func: Callable[[Given], Made] | Callable[[Given, RunnableConfig], Made], /
    ) -> RunnableLambda[Given, Made, Made]: ...

class Composing(Generic[Input, Output, Chunk]):
    """The part of ``Runnable`` that puts stages in a row."""

    @overload
    def __or__(self, other: PassesItems[Chunk]) -> RunnableSequence[Input, Output, Chunk]: ...
    @overload
    def __or__(self, other: MakesItems[Chunk, Made]) -> RunnableSequence[Input, list[Made], Made]: ...
    @overload
    def __or__(
        self, other: Runnable[Output, Made, Part] | Runnable[Chunk, Made, Part]
    ) -> RunnableSequence[Input, Made, Part]: ...
    @overload
    def __or__(
        self, other: Callable[[Iterator[Chunk]], Iterator[Made]]
    ) -> RunnableSequence[Input, Made, Made]: ...
    @overload
    def __or__(
        self, other: Callable[[AsyncIterator[Chunk]], AsyncIterator[Made]]
    ) -> RunnableSequence[Input, Made, Made]: ...
    @overload
    def __or__(
        self, other: Callable[[Output], Coroutine[Any, Any, Made]]
    ) -> RunnableSequence[Input, Made, Made]: ...
    @overload
    def __or__(self, other: Callable[[Output], Made]) -> RunnableSequence[Input, Made, Made]: ...
    @overload
    def __or__(
        self, other: Callable[[Output, RunnableConfig], Made]
    ) -> RunnableSequence[Input, Made, Made]: ...
    @overload
    def __or__(
        self, other: Mapping[str, Any]
    ) -> RunnableSequence[Input, dict[str, Any], AddableDict[str, Any]]: ...
    @overload
    def __or__(self, other: Named) -> RunnableSequence[Input, Any, Any]: ...
    @overload
    def __ror__(
        self, other: Callable[[Iterator[Given]], Iterator[Any]]
    ) -> RunnableSequence[Given, Output, Chunk]: ...
    @overload
    def __ror__(
        self, other: Callable[[AsyncIterator[Given]], AsyncIterator[Any]]
    ) -> RunnableSequence[Given, Output, Chunk]: ...
    @overload
    def __ror__(self, other: Callable[[Given], Any]) -> RunnableSequence[Given, Output, Chunk]: ...
    @overload
    def __ror__(
        self, other: Callable[[Given, RunnableConfig], Any]
    ) -> RunnableSequence[Given, Output, Chunk]: ...
    @overload
    def __ror__(self, other: Mapping[str, Any]) -> RunnableSequence[Any, Output, Chunk]: ...
