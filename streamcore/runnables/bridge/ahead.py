"""How far one pipeline reads ahead: one bound in items and one in bytes, for all its changes of thread together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..config import DEFAULT_BUFFER_BYTES, DEFAULT_BUFFER_SIZE, positive_int

if TYPE_CHECKING:
    from ..._backend import Channel
    from ..config import RunnableConfig

__all__ = ["Ahead", "ahead_of", "buffer_bytes", "buffer_size"]


def buffer_size(config: RunnableConfig | None) -> int:
    """How many chunks the hand-offs of a call may hold."""
    return _given(config, "buffer_size", DEFAULT_BUFFER_SIZE)


def buffer_bytes(config: RunnableConfig | None) -> int:
    """How many bytes the hand-offs of a call may hold."""
    return _given(config, "buffer_bytes", DEFAULT_BUFFER_BYTES)


def _given(config: RunnableConfig | None, key: str, default: int) -> int:
    value: Any = config.get(key) if config else None
    if value is None:
        return default
    positive_int(key, value)
    return value  # type: ignore[no-any-return]


def ahead_of(config: RunnableConfig | None) -> Ahead:
    return Ahead(buffer_size(config), buffer_bytes(config))


class Ahead:
    """What the channels of one pipeline may hold together: ``items`` beyond the one in the consumer's hands.

    The producer at the head, which pulls the source, is held back while that much is ahead; any other goes on, so that
    what has been pulled can always reach the consumer, and nothing waits for itself.
    """

    def __init__(self, items: int, bytes: int) -> None:
        self.items = items
        self.bytes = bytes
        self._budget: Any = None
        self._claimed = False

    def claim(self) -> bool:
        """Whether the caller, the first to ask, is the head of the pipeline."""
        claimed, self._claimed = self._claimed, True
        return not claimed

    def join(self, channel: Channel[Any], *, head: bool) -> None:
        """Count what ``channel`` holds; ``head``: whoever fills it pulls the source."""
        if self._budget is None:
            self._budget = channel._budget(self.items + 1, self.bytes)
        channel._join(self._budget, head)
