"""``RunnableRetry``: the same Runnable again, after an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from .._shared.notes import add_note
from .attempts import Attempting, checked_exceptions, handles
from .base import Chunk, Input, Output, Runnable
from .config import merge_configs

if TYPE_CHECKING:
    from .composing import Stage
    from .config import RunnableConfig
    from .describing import Part

__all__ = ["RunnableRetry"]

JITTER = {"initial": 1.0, "max": 60.0, "exp_base": 2.0, "jitter": 1.0}  # seconds, but for exp_base


class RunnableRetry(Attempting[Input, Output, Chunk]):
    """``bound``, called again after an error, ``stop_after_attempt`` times at most; the last error is raised.

    ``retry_if_exception_type``: exception types, or a predicate of the error. Before the nth repetition it waits
    ``min(max, initial * exp_base ** (n - 1) + random up to jitter)`` seconds, of ``exponential_jitter_params``, or not
    at all. In a stream an error before the first chunk is retried unseen; ``on_midstream`` is what happens after it:
    ``"raise"``; ``"restart"``, the new stream comes whole, after ``on_restart(number of the failed attempt, error)``;
    ``"resume"``, the new stream goes on where the consumer is, if it begins with what that has.
    """

    _is_heard = False  # each attempt is

    def __init__(
        self,
        bound: Stage[Input, Output, Chunk],
        *,
        retry_if_exception_type: Any = (Exception,),
        wait_exponential_jitter: bool = True,
        exponential_jitter_params: Mapping[str, float] | None = None,
        stop_after_attempt: int = 3,
        on_midstream: str = "raise",
        on_restart: Callable[[int, BaseException], object] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        config: RunnableConfig | None = None,
        name: str | None = None,
    ) -> None:
        from .binding import RunnableBinding
        from .function import coerce_to_runnable

        if isinstance(stop_after_attempt, bool) or not isinstance(stop_after_attempt, int):
            raise TypeError(f"stop_after_attempt must be an int, got {type(stop_after_attempt).__name__}")
        if stop_after_attempt < 1:
            raise ValueError(f"stop_after_attempt must be positive, got {stop_after_attempt}")
        self.bound: Runnable[Any, Any, Any] = coerce_to_runnable(bound)
        self.kwargs: dict[str, Any] = dict(kwargs or {})
        self.config: RunnableConfig = merge_configs(config)
        self.retry_if_exception_type = checked_exceptions("retry_if_exception_type", retry_if_exception_type)
        self.wait_exponential_jitter = wait_exponential_jitter
        self.exponential_jitter_params = _checked_params(exponential_jitter_params)
        self.stop_after_attempt = stop_after_attempt
        self.name = name
        self._set_midstream(on_midstream, on_restart)
        settled = self.kwargs or self.config
        self._called = RunnableBinding(self.bound, self.kwargs, self.config) if settled else self.bound
        self._set_parts((self._called,))

    def __repr__(self) -> str:
        shown = [repr(self.bound), f"stop_after_attempt={self.stop_after_attempt}"]
        exceptions = self.retry_if_exception_type
        if isinstance(exceptions, tuple):
            named = [kind.__name__ for kind in exceptions]
            exceptions = named[0] if len(named) == 1 else f"({', '.join(named)})"
        else:
            exceptions = getattr(exceptions, "__name__", None) or repr(exceptions)
        if exceptions != "Exception":
            shown.append(f"retry_if_exception_type={exceptions}")
        if not self.wait_exponential_jitter:
            shown.append("wait_exponential_jitter=False")
        if self.exponential_jitter_params != JITTER:
            changed = {k: v for k, v in self.exponential_jitter_params.items() if v != JITTER[k]}
            shown.append(f"exponential_jitter_params={changed!r}")
        shown += self._midstream_shown()
        shown += [f"{key}={getattr(self, key)!r}" for key in ("kwargs", "config") if getattr(self, key)]
        return f"RunnableRetry({', '.join(shown)})"

    def _parts(self, head: bool) -> list[Part]:
        return [("each attempt", self.bound, head)]

    def _remarks(self) -> list[str]:
        return [f"{self.stop_after_attempt} attempts at most"]

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        return super().get_name(suffix, name=name or self.name or self.bound.get_name())

    def collect(self, chunks: Iterable[Any]) -> Output:
        return cast("Output", self._called.collect(chunks))

    def _empty(self) -> Any:
        return self._called._empty()

    def _part(self, attempt: int) -> Runnable[Any, Any]:
        return self._called

    def _more(self, attempt: int) -> bool:
        return attempt < self.stop_after_attempt

    def _handles(self, error: Exception) -> bool:
        return handles(self.retry_if_exception_type, error)

    def _pause(self, failed: int) -> float:
        if not self.wait_exponential_jitter:
            return 0.0
        from random import uniform  # 2 ms, that only a pause needs

        params = self.exponential_jitter_params
        try:
            seconds = params["initial"] * float(params["exp_base"]) ** (failed - 1)
        except OverflowError:
            return params["max"]
        return min(params["max"], seconds + uniform(0, params["jitter"]))

    def _final(self, errors: list[Exception]) -> Exception:
        if len(errors) > 1:
            add_note(errors[-1], f"after {len(errors)} attempts")
        return errors[-1]


def _checked_params(given: Mapping[str, float] | None) -> dict[str, float]:
    params = {**JITTER, **(given or {})}
    for key, value in params.items():
        if key not in JITTER:
            raise TypeError(f"exponential_jitter_params has {', '.join(JITTER)}; got {key!r}")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{key} must be a number, got {type(value).__name__}")
        if not value >= 0:
            raise ValueError(f"{key} must not be negative, got {value}")
    return params
