"""The words of the table: a class, a call of one of its methods, what the call takes, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamcore.batch import Batch

PIECE = bytes(range(97, 123)) * 3  # long enough to be kept by reference


@dataclass(frozen=True)
class Argument:
    """What a method takes: a kind of ``foreign.FORMS`` and a value that is right."""

    kind: str
    make: Callable[[], Any]


class Box:
    """An object under test, and what a call in it can reach besides."""

    def __init__(self) -> None:
        self.backend: Any = None
        self.subject: Any = None
        self.other: Any = None  # what lives as long
        self.running: Any = None  # the iterator that a call made and drives
        self.hooks: dict[str, Callable[[], None]] = {}

    def callback(self, name: str) -> None:
        """Called by what the object was given to call."""
        hook = self.hooks.get(name)
        if hook is not None:
            hook()


@dataclass(frozen=True)
class Call:
    """A call of one public method, or of a special one, with arguments that are right."""

    name: str
    run: Callable[..., Any]  # of a box and the arguments
    arguments: tuple[Argument, ...] = ()
    alone: bool = True  # a failed allocation leaves all as it was; else the call is several

    @property
    def method(self) -> str:
        return self.name.partition(":")[0]

    def plainly(self, box: Box) -> Any:
        return self.run(box, *[argument.make() for argument in self.arguments])


@dataclass(frozen=True)
class Native:
    """A public class of the core."""

    name: str
    label: str
    make: Callable[[Any, Box], Any]
    calls: tuple[Call, ...]
    look: Callable[[Any], Any]  # all of the state that can be seen, and that makes nothing
    rest: Callable[[Any], Any]  # what is still inside, taken out
    again: Callable[[Any], Any] = lambda subject: None  # shows that it still works, or is in error for good
    callbacks: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()  # the calls that hooks make, where not all of them
    unlike: tuple[str, ...] = ()  # those of them to which the twin answers as each version of CPython does

    def boxed(self, backend: Any) -> Box:
        box = Box()
        box.backend = backend
        box.subject = self.make(backend, box)
        return box

    @property
    def methods(self) -> set[str]:
        return {call.method for call in self.calls}


def plain(result: Any) -> Any:
    """A result in a form that is the same whatever the backend."""
    if isinstance(result, (str, int, float, bytes, type(None), type)):
        return result
    if isinstance(result, Batch):
        return [plain(item) for item in result]
    if isinstance(result, dict):
        return {key: plain(value) for key, value in result.items()}
    if isinstance(result, (set, frozenset)):
        return sorted(result)
    if isinstance(result, (list, tuple)):
        return [plain(item) for item in result]
    if hasattr(result, "tolist") and hasattr(result, "dtype"):
        return [str(result.dtype), result.tolist()]
    if hasattr(result, "__match_args__"):
        return [type(result).__name__, *(plain(getattr(result, name)) for name in result.__match_args__)]
    if hasattr(result, "tobytes"):
        return result.tobytes()
    return type(result).__name__


def tried(action: Callable[[], Any]) -> Any:
    """What the action gives, or all that can be told apart of what it raises."""
    try:
        return plain(action())
    except Exception as error:  # noqa: BLE001 - any of them is an outcome
        return [type(error).__name__, str(error), list(getattr(error, "__notes__", []))]


def value(kind: str, made: Any) -> Argument:
    return Argument(kind, lambda: made)


def fresh(kind: str, make: Callable[[], Any]) -> Argument:
    return Argument(kind, make)


def method(name: str, *arguments: Argument, alone: bool = True, **fixed: Any) -> Call:
    """A method called with these arguments; ``name`` may have a ``:remark``."""
    plain_name = name.partition(":")[0]
    return Call(
        name, lambda box, *args: getattr(box.subject, plain_name)(*args, **fixed), arguments, alone=alone
    )


def keyword(name: str, key: str, argument: Argument, *first: Argument) -> Call:
    plain_name = name.partition(":")[0]

    def run(box: Box, *args: Any) -> Any:
        return getattr(box.subject, plain_name)(*args[1:], **{key: args[0]})

    return Call(name, run, (argument, *first))


def attribute(name: str) -> Call:
    return Call(name, lambda box: getattr(box.subject, name))


def special(name: str, run: Callable[..., Any], *arguments: Argument) -> Call:
    return Call(name, lambda box, *args: run(box.subject, *args), arguments)


def attributes(*names: str) -> tuple[Call, ...]:
    return tuple(attribute(name) for name in names)


# The calls of an item that is a value.
VALUE = (
    special("__eq__", lambda item, other: item == other, fresh("anything", object)),
    special("__hash__", hash),
    special("__repr__", repr),
    special("__reduce__", lambda item: item.__reduce__()[1]),
)
