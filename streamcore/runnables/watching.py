"""Methods that a user's class writes, called directly: what the config says of the call holds as in a chain.

Limits in time and listeners are put around a call by whoever makes it, a chain say, or by the methods of our own
classes. A method of another class would pass them over: so it is replaced by one that looks at the config, once a call,
and only where one is given. What it gives is handed on as it is: no chunk passes through here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any

from .written import METHODS

VARARGS, VARKEYWORDS = 4, 8  # flags of a code object; ``inspect`` names them, but is slow to import

__all__ = ["beneath_of", "looked_through", "watch_methods"]

WRITTEN = "_streamcore_written"
OURS = __name__.partition(".")[0]


def watch_methods(cls: Any) -> None:
    """Let the methods that ``cls`` writes, or has of a base that is no Runnable, heed their config."""
    if cls.__module__.partition(".")[0] == OURS:
        return
    for name in METHODS:
        method = cls.__dict__.get(name)
        if method is None:
            method = _of_mixin(cls, name)
        if method is not None and _is_method(method) and not hasattr(method, WRITTEN):
            setattr(cls, name, _watching(name, method))


def looked_through(function: Any) -> Any:
    """The function, or bound method, that a user wrote: what kind it is shows on that."""
    return getattr(function, WRITTEN, function)


def _of_mixin(cls: type, name: str) -> Any:
    """What calls the method ``name`` that is found in a base which is no Runnable, None if there is none."""
    for base in cls.__mro__[1:]:
        method = base.__dict__.get(name)
        if method is None:
            continue
        if hasattr(base, "_called_with") or not _is_method(method):
            return None
        return _next_in_row(cls, name, method)
    return None


def _next_in_row(cls: type, name: str, method: Any) -> Any:
    """A function for ``cls`` that calls what comes after it: in a subclass that may be another one."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(super(cls, self), name)(*args, **kwargs)

    async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await getattr(super(cls, self), name)(*args, **kwargs)

    import inspect

    return functools.wraps(method)(acall if inspect.iscoroutinefunction(method) else call)


def _is_method(method: Any) -> bool:
    """Whether it is called with the object as its first argument."""
    return (
        callable(method)
        and hasattr(type(method), "__get__")
        and not isinstance(method, (staticmethod, classmethod, type))
    )


def _watching(name: str, method: Any) -> Callable[..., Any]:
    import inspect

    kind = _async_watching if inspect.iscoroutinefunction(method) else _sync_watching
    watching = functools.wraps(method)(kind(name, method, _form(method)))
    setattr(watching, WRITTEN, method)
    return watching


def _form(method: Any) -> int:
    """0 if it is written as documented, ``(self, input, config=None)``, 1 with ``**kwargs``: these cost less.

    3 if it takes ``config`` by keyword only, which is then handed to it so; 2 for any other.
    """
    code: Any = getattr(method, "__code__", None)
    if isinstance(method, FunctionType) and (code.co_argcount, code.co_flags & VARARGS) == (2, 0):
        return 3 if "config" in code.co_varnames[2 : 2 + code.co_kwonlyargcount] else 2
    if not (
        isinstance(method, FunctionType)
        and code.co_varnames[1:3] == ("input", "config")
        and (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount) == (3, 0, 0)
        and not code.co_flags & VARARGS
        and method.__defaults__ == (None,)
    ):
        return 2
    return 1 if code.co_flags & VARKEYWORDS else 0


def _by_keyword(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, whose ``config`` goes by keyword."""
    if len(args) < 2 or "config" in kwargs:
        return args, kwargs
    return (args[0], *args[2:]), {**kwargs, "config": args[1]}


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The config of a call, None if there is none."""
    return args[1] if len(args) > 1 else kwargs.get("config")


def _sync_watching(name: str, method: Any, form: int) -> Callable[..., Any]:
    def watching(self: Any, input: Any, config: Any = None) -> Any:
        if config is None or (watched := self._watched(config)) is None:
            return method(self, input, config)
        return getattr(watched, name)(input, config)

    def watching_more(self: Any, input: Any, config: Any = None, **kwargs: Any) -> Any:
        if config is None or (watched := self._watched(config)) is None:
            return method(self, input, config, **kwargs) if kwargs else method(self, input, config)
        return getattr(watched, name)(input, config, **kwargs)

    def watching_any(self: Any, *args: Any, **kwargs: Any) -> Any:
        config = _given(args, kwargs)
        if config is None or (watched := self._watched(config)) is None:
            return method(self, *args, **kwargs)
        return getattr(watched, name)(*args, **kwargs)

    def watching_keyword(self: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _by_keyword(args, kwargs)
        config = kwargs.get("config")
        if config is None or (watched := self._watched(config)) is None:
            return method(self, *args, **kwargs)
        return getattr(watched, name)(*args, **kwargs)

    return (watching, watching_more, watching_any, watching_keyword)[form]


def _async_watching(name: str, method: Any, form: int) -> Callable[..., Any]:
    async def watching(self: Any, input: Any, config: Any = None) -> Any:
        if config is None or (watched := self._watched(config)) is None:
            return await method(self, input, config)
        return await getattr(watched, name)(input, config)

    async def watching_more(self: Any, input: Any, config: Any = None, **kwargs: Any) -> Any:
        if config is None or (watched := self._watched(config)) is None:
            return (
                await method(self, input, config, **kwargs) if kwargs else await method(self, input, config)
            )
        return await getattr(watched, name)(input, config, **kwargs)

    async def watching_any(self: Any, *args: Any, **kwargs: Any) -> Any:
        config = _given(args, kwargs)
        if config is None or (watched := self._watched(config)) is None:
            return await method(self, *args, **kwargs)
        return await getattr(watched, name)(*args, **kwargs)

    async def watching_keyword(self: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _by_keyword(args, kwargs)
        config = kwargs.get("config")
        if config is None or (watched := self._watched(config)) is None:
            return await method(self, *args, **kwargs)
        return await getattr(watched, name)(*args, **kwargs)

    return (watching, watching_more, watching_any, watching_keyword)[form]


# -- what a method calls by super()

WATCHING = {  # their code
    kind("", None, form).__code__ for kind in (_sync_watching, _async_watching) for form in range(4)
}
CALLED_IN = {"_transformed": "transform", "_atransformed": "atransform"} | {name: name for name in METHODS}


def beneath_of(runnable: Any, caller: FrameType) -> Any:
    """What stands for the method that asks, in the frame ``caller``, where the class of ``runnable`` has another one.

    That is a user's, which called it by ``super()``: limits that are given there hold for this part only. None where it
    is the method of the class.
    """
    if caller.f_code in WATCHING:
        function = caller.f_locals["method"]
        name = caller.f_locals["name"]
    elif (name := CALLED_IN.get(caller.f_code.co_name, "")) and hasattr(
        getattr(type(runnable), name), WRITTEN
    ):
        function = _first_of_ours(type(runnable), name)
    else:
        return None
    if looked_through(getattr(type(runnable), name)) is function:
        return None
    from .wrapping import Beneath

    return Beneath(runnable, name, function)


def _first_of_ours(kind: type, name: str) -> Any:
    methods = (base.__dict__[name] for base in kind.__mro__ if name in base.__dict__)
    return next(method for method in methods if not hasattr(method, WRITTEN))
