"""``RunnableHeard``: a Runnable whose calls are told to the listeners of a config."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .base import Chunk, Input, Output, Runnable
from .config import Heard, checked
from .listening import Listener, Run, RunnableListening, is_coroutine

if TYPE_CHECKING:
    from .config import RunnableConfig

__all__ = ["RunnableHeard"]


class RunnableHeard(RunnableListening[Input, Output, Chunk]):
    """``bound`` in a call whose config has ``listeners``, functions of the event and the ``Run``.

    An event is named as the argument of ``with_listeners``: ``"on_start"``, ``"on_first_chunk"``, ``"on_end"``,
    ``"on_error"``. In all else it looks like ``bound``.
    """

    def __init__(self, bound: Runnable[Any, Any, Any], listeners: Sequence[Listener]) -> None:
        super().__init__(bound)
        self.listeners = [each for at, each in enumerate(listeners) if each not in listeners[:at]]
        self._awaits = any(map(is_coroutine, listeners))
        self._hops = bound._hops or self._awaits  # type: ignore[misc]

    def __repr__(self) -> str:
        return repr(self.bound)

    def _watched(self, config: RunnableConfig | None) -> None:
        return None  # limits in time are those of bound, so that its listeners hear of them

    def _calls(self, event: str, run: Run) -> Iterable[tuple[Listener, tuple[Any, ...]]]:
        for listener in self.listeners:
            yield listener, (event, run)

    def _down(self, config: RunnableConfig | None) -> RunnableConfig | None:
        config = checked(config)
        return None if config is None else Heard(config, self.bound)  # type: ignore[return-value]
