"""Our Runnables where LangChain wants its own: ``register()``, once a process.

LangChain takes a step by ``isinstance``, calls its six methods, ``batch`` and ``abatch``, and for graphs and schemas a
dozen names more. ``register()`` makes our classes virtual subclasses and gives them those names. The methods that they
have stay as they are: ``ours | theirs`` is a chain of ours, ``theirs | ours`` one of LangChain.
"""

from __future__ import annotations

import inspect
import threading
from functools import partial, reduce
from operator import add
from typing import Any, TypeVar

from ..runnables.base import Runnable
from ..runnables.declared import declared_by_class, hints_of, of_an_item
from ..runnables.folding import merged_by_key, register_fold
from ..runnables.function import RunnableGenerator, RunnableLambda
from ..runnables.sequence import RunnableSequence

__all__ = ["register"]

BORROWED = (
    "config_schema",
    "config_specs",
    "get_config_jsonschema",
    "get_graph",
    "get_input_jsonschema",
    "get_input_schema",
    "get_output_jsonschema",
    "get_output_schema",
    "get_prompts",
    "input_schema",
    "output_schema",
)
"""What LangChain calls of a step besides its work, made of ``get_name()``, ``InputType`` and ``OutputType``."""

_lock = threading.Lock()
_registered = False


def register() -> None:
    """Let LangChain take our Runnables for its own, and let several of its message chunks, or dicts, fold into one.

    A second call does nothing. Without langchain-core it is an ``ImportError``.
    """
    global _registered
    with _lock:
        if _registered:
            return
        try:
            from langchain_core import runnables
            from langchain_core.messages import BaseMessageChunk
            from langchain_core.runnables.utils import AddableDict
        except ImportError as error:
            raise ImportError(
                "streamcore.integrations.langchain needs langchain-core: pip install 'pystreamcore[langchain]'"
            ) from error
        for name in BORROWED:
            setattr(Runnable, name, vars(runnables.Runnable)[name])
        for at, name in enumerate(("InputType", "OutputType")):
            setattr(Runnable, name, property(partial(declared, at=at)))
        register_fold(BaseMessageChunk, folded_messages)
        register_fold(AddableDict, folded_dicts)
        runnables.Runnable.register(Runnable)
        _registered = True


def folded_messages(chunks: list[Any]) -> Any:
    """The message of ``chunks``: in one go where they are an AI's, which are many."""
    from langchain_core.messages import AIMessageChunk

    if all(isinstance(chunk, AIMessageChunk) for chunk in chunks):
        return chunks[0] + chunks[1:]
    return reduce(add, chunks)


def folded_dicts(chunks: list[Any]) -> Any:
    """One dict of ``chunks``, each key folded by the rules for any chunks; numbers are not added up."""
    from langchain_core.runnables.utils import AddableDict

    return AddableDict(merged_by_key(chunks, lambda: "LangChain's AddableDict"))


def has_schema(kind: Any) -> bool:
    """Whether pydantic can write down a schema of that type; None is none."""
    from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter

    if kind is None or isinstance(kind, (TypeVar, str)):
        return False
    try:
        TypeAdapter(kind).json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError):
        return False
    return True


def declared(stage: Runnable[Any, Any], at: int) -> Any:
    """The type of what ``stage`` takes (0) or gives (1), as far as it is declared; else ``Any``."""
    if isinstance(stage, RunnableSequence):
        return declared(stage.stages[-at], at)
    if isinstance(stage, RunnableLambda):
        found = declared_by_function(stage.func or stage.afunc, at)
    elif isinstance(stage, RunnableGenerator):
        found = declared_by_function(stage._sync or stage._async, at)
    else:
        found = declared_by_class(type(stage), Runnable, at)
    return found if has_schema(found) else Any


def declared_by_function(function: Any, at: int) -> Any:
    """The same of a function."""
    hints = hints_of(function)
    if at:
        return of_an_item(hints.get("return"))
    try:
        name = next(iter(inspect.signature(function).parameters), None)
    except (TypeError, ValueError):  # of some functions in C
        return None
    return of_an_item(hints.get(name)) if name is not None else None
