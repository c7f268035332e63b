"""A Runnable whose stages take their engines from one backend, whichever the process runs on."""

from __future__ import annotations

import pkgutil
from copy import copy
from functools import cache, lru_cache, partial
from importlib import import_module
from typing import Any

from .._backend import BPECore
from ..runnables.sequence import RunnableSequence
from ..stages.stage import Stage

__all__ = ["on_backend"]


def on_backend(runnable: Any, backend: str) -> Any:
    """``runnable`` on ``"native"`` or ``"pure"``; None where it has no engine or that backend is not there."""
    stages = runnable.stages if isinstance(runnable, RunnableSequence) else (runnable,)
    copies = [copy(stage) for stage in stages]
    with_engine = [stage for stage in copies if isinstance(stage, Stage)]
    for stage in with_engine:
        kind = _find(backend, stage._engine)
        if kind is None:
            return None
        args = [_core_on(backend, each) if isinstance(each, BPECore) else each for each in stage._args]
        stage.engine = partial(kind, *args, **stage._options)  # type: ignore[method-assign]
    if not with_engine:
        return None
    return RunnableSequence(*copies) if isinstance(runnable, RunnableSequence) else copies[0]


@cache
def _find(backend: str, name: str) -> Any:
    """What bears this name in a module of the backend, None if nothing does."""
    package = import_module(f"streamcore._{backend}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        found = None if module.ispkg else vars(import_module(module.name)).get(name)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=2)
def _core_on(backend: str, core: Any) -> Any:
    """The tokenizer in that backend; it takes a while, so the last ones are kept."""
    kind = _find(backend, "BPECore")
    if type(core) is kind:
        return core
    _, (_, ranks, pattern, special_tokens, options) = core.__reduce__()
    return kind(ranks, pattern, special_tokens, **options)
