"""``RunnableConfig``: options that travel down a chain, what they may be, and how two of them merge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Token, copy_context
from functools import partial
from typing import Any, Protocol, TypedDict, TypeVar, cast

from .._backend import surrounding
from .._shared.notes import loud
from .._shared.surroundings import SURROUNDING, leave

__all__ = [
    "DEFAULT_BUFFER_BYTES",
    "DEFAULT_BUFFER_SIZE",
    "DEFAULT_RECURSION_LIMIT",
    "LISTENED",
    "Heard",
    "RunnableConfig",
    "checked",
    "child_config",
    "ensure_config",
    "get_config_list",
    "handed",
    "inside",
    "is_limited",
    "merge_configs",
    "patch_config",
    "positive_int",
    "run_in_executor",
    "seconds_or_none",
    "unheard",
    "unlimited",
    "valid",
]

T = TypeVar("T")

DEFAULT_RECURSION_LIMIT = 25
LIMITS = ("timeout", "first_chunk_timeout")
OWN = ("run_name", *LIMITS)  # keys that are about one call, not about those in it
DEFAULT_BUFFER_BYTES = 8 << 20  # 2048 chunks of 4 KiB: chunks of a usual size are bounded by their number
DEFAULT_BUFFER_SIZE = 512  # a change of threads costs 40 us: 0.1 us a chunk, 0.2 with 256, 0.7 with 64


class Executor(Protocol):
    """As ``concurrent.futures`` has them, which is slow to import."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call ``fn`` some time; return a future."""


class RunnableConfig(TypedDict, total=False):
    """Options of one call. Every key is optional; unknown keys travel along untouched."""

    run_name: str
    """Name of this run; not handed to the stages of a chain."""
    tags: list[str]
    """Labels; merging appends. One that is there twice is called once."""
    metadata: dict[str, Any]
    """Facts about the run; merging updates key by key."""
    max_concurrency: int | None
    """Most calls that ``batch`` has in flight at once, nested batches included; ``None``: the executor's size."""
    recursion_limit: int
    """How often a function may return another Runnable to be run in its place."""
    timeout: float | None
    """Seconds that a whole call may take, from the call on."""
    first_chunk_timeout: float | None
    """Seconds that a consumer may have to wait for the first chunk."""
    buffer_size: int
    """Chunks that a pipeline reads ahead at most, all its hand-offs between threads together; 512 if not given."""
    buffer_bytes: int
    """Bytes that these chunks hold at most; 8 MiB if not given. A chunk larger than that goes alone."""
    executor: Executor | None
    """Where ``batch`` runs its calls."""
    listeners: list[Callable[..., object]]
    """Called as ``(event, run)`` for every stage in the call, once though it be there twice; merging appends."""


def merge_configs(*configs: Mapping[str, Any] | None) -> RunnableConfig:
    """Merge from left to right: tags and listeners are appended, metadata is updated, any other key is replaced.

    A key set to ``None`` counts as unset, and so does a ``recursion_limit`` that is the default, which
    ``ensure_config`` puts in. The arguments stay as they are.
    """
    return _merged(*map(valid, configs))


def _merged(*configs: Mapping[str, Any] | None) -> RunnableConfig:
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in (config or {}).items():
            if value is None:
                continue
            if key == "tags":
                have = merged.get(key, [])
                merged[key] = [*have, *(tag for tag in cast("list[str]", value) if tag not in have)]
            elif key == "listeners":
                merged[key] = [*merged.get(key, []), *cast("list[Any]", value)]
            elif key == "metadata":
                merged[key] = {**merged.get(key, {}), **cast("dict[str, Any]", value)}
            elif key != "recursion_limit" or value != DEFAULT_RECURSION_LIMIT or key not in merged:
                merged[key] = value
    return cast(RunnableConfig, merged)


def ensure_config(config: Mapping[str, Any] | None = None) -> RunnableConfig:
    """A copy of ``config`` that has ``tags``, ``metadata`` and ``recursion_limit`` in any case; ``None`` is unset.

    In the code of a stage it is merged over the config around that, as a call would merge it.
    """
    defaults = {"tags": [], "metadata": {}, "recursion_limit": DEFAULT_RECURSION_LIMIT}
    return _merged(defaults, checked(config))


def patch_config(
    config: Mapping[str, Any] | None,
    *,
    recursion_limit: int | None = None,
    max_concurrency: int | None = None,
    run_name: str | None = None,
    **keys: Any,
) -> RunnableConfig:
    """``ensure_config(config)`` with these keys in the place of what it has; ``None`` leaves a key as it is."""
    patched: dict[str, Any] = {**ensure_config(config)}
    patch = {
        "recursion_limit": recursion_limit,
        "max_concurrency": max_concurrency,
        "run_name": run_name,
        **keys,
    }
    patched.update({key: value for key, value in patch.items() if value is not None})
    return cast(RunnableConfig, dict(checked(patched) or {}))


def get_config_list(
    config: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None, length: int
) -> list[RunnableConfig]:
    """``length`` configs: copies of one, or those of a list of that length."""
    if length < 0:
        raise ValueError(f"length must not be negative, got {length}")
    if not isinstance(config, Sequence) or isinstance(config, (str, bytes)):
        return [ensure_config(config) for _ in range(length)]
    if len(config) != length:
        raise ValueError(f"got {len(config)} configs for {length} inputs")
    return [ensure_config(each) for each in config]


async def run_in_executor(
    executor_or_config: Executor | Mapping[str, Any] | None,
    func: Callable[..., T],
    /,
    *args: Any,
    **kwargs: Any,
) -> T:
    """``func(...)`` in an executor: that one, that of the config, or else the loop's; in a copy of the context.

    ``StopIteration``, which no future takes, becomes a ``RuntimeError``.
    """
    import asyncio

    executor: Any = executor_or_config
    if executor is not None and not hasattr(executor, "submit"):
        executor = (checked(executor) or {}).get("executor")
    call = partial(copy_context().run, _called, func, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(executor, call)


def _called(func: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    try:
        return func(*args, **kwargs)
    except StopIteration as stop:
        raise loud(stop) from stop


# -- what a config may be


class Checked(dict[str, Any]):
    """A config that has been checked and merged over the one around: a copy, which the call hands down."""


class Heard(Checked):
    """A config whose listeners are told of the call of ``of`` already; ``plain`` is the same without saying so."""

    __slots__ = ("of", "plain")

    def __init__(self, plain: RunnableConfig, of: object) -> None:
        super().__init__(plain)
        self.plain = plain
        self.of = of


LISTENED: list[None] = []
"""Not empty once there was a config with listeners: until then no call without a config looks for any around it."""

NOTHING = Checked()
"""Where there is no config around, though there is one around that."""


def checked(config: Mapping[str, Any] | None) -> RunnableConfig | None:
    """The config of a call: ``valid(config)`` over the one around the stage in whose code the call is made."""
    if isinstance(config, Checked):
        return cast(RunnableConfig, config)
    around = surrounding()
    if config is None:
        return cast("RunnableConfig | None", around)
    own = valid(config)
    if around is None or not own:
        return own if around is None else cast(RunnableConfig, around)
    merged = Checked(_merged(around, own))
    if own.get("recursion_limit") is not None:
        merged["recursion_limit"] = own["recursion_limit"]
    if "listeners" in around and "listeners" in own:  # a stage may hand on what it was handed
        known = around["listeners"]
        merged["listeners"] = [*known, *(new for new in own["listeners"] if new not in known)]
    return cast(RunnableConfig, merged)


def valid(config: Mapping[str, Any] | None) -> RunnableConfig | None:
    """A copy of ``config``, if it is one: else a TypeError or ValueError with the key and its value."""
    if config is None or isinstance(config, Checked):
        return cast("RunnableConfig | None", config)
    if not isinstance(config, Mapping):
        raise TypeError(f"config must be a mapping, got {_shown(config)}")
    copy = Checked(handed(config))
    for key, value in copy.items():
        check = CHECKS.get(key)
        if check is not None and value is not None:
            check(key, value)
    return cast(RunnableConfig, copy)


def _labels(key: str, value: Any) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(f"{key} must be a list of str, got {_shown(value)}")


def _mapping(key: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{key} must be a mapping, got {_shown(value)}")


def _int(key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{key} must be an int, got {_shown(value)}")


def positive_int(key: str, value: Any) -> None:
    """An error unless ``value``, that of ``key``, is a positive int."""
    _int(key, value)
    if value < 1:
        raise ValueError(f"{key} must be positive, got {value}")


def _seconds(key: str, value: Any) -> None:
    if isinstance(value, bool) or not hasattr(type(value), "__float__"):
        raise TypeError(f"{key} must be a number, got {_shown(value)}")
    if not value > 0:  # nor is NaN
        raise ValueError(f"{key} must be positive, got {value}")


def seconds_or_none(name: str, value: Any) -> float | None:
    """``value`` if it is a time; None for None, and for infinity."""
    if value is None:
        return None
    _seconds(name, value)
    seconds: float = value if isinstance(value, (int, float)) else float(value)
    return None if seconds == float("inf") else seconds


def _listeners(key: str, value: Any) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise TypeError(f"{key} must be a list of callables, got {_shown(value)}")
    for each in value:
        if not callable(each):
            raise TypeError(f"{key} must be a list of callables, got {_shown(each)} in it")
    if value and not LISTENED:
        LISTENED.append(None)


def _executor(key: str, value: Any) -> None:
    if not callable(getattr(value, "submit", None)):
        raise TypeError(f"{key} must have a method submit, got {_shown(value)}")


def _shown(value: object) -> str:
    return f"{type(value).__name__} {value!r:.100}"


CHECKS: dict[str, Callable[[str, Any], None]] = {
    "tags": _labels,
    "metadata": _mapping,
    "max_concurrency": positive_int,
    "recursion_limit": _int,
    "timeout": _seconds,
    "first_chunk_timeout": _seconds,
    "buffer_size": positive_int,
    "buffer_bytes": positive_int,
    "executor": _executor,
    "listeners": _listeners,
}


def is_limited(config: Mapping[str, Any] | None) -> bool:
    """Whether a limit in time is set for the call; what is no mapping is somebody else's to refuse."""
    get = getattr(config, "get", None)
    return get is not None and (get("timeout") is not None or get("first_chunk_timeout") is not None)


def unlimited(config: RunnableConfig | None) -> RunnableConfig:
    """``config`` without the limits in time, which are those of one call."""
    rest = _without(LIMITS, config or {})
    return cast(RunnableConfig, Heard(rest, config.of)) if isinstance(config, Heard) else rest


def unheard(config: RunnableConfig) -> RunnableConfig:
    """``config`` without listeners, whatever is around."""
    return _without(("listeners",), config)


def child_config(config: RunnableConfig | None) -> RunnableConfig | None:
    """What a chain hands to its stages: everything but what is about the call of the chain itself. It is checked."""
    config = checked(config)
    if isinstance(config, Heard):
        config = config.plain
    if config is None or config.keys().isdisjoint(OWN):
        return config
    return _without(OWN, config)


def _without(keys: tuple[str, ...], config: RunnableConfig) -> RunnableConfig:
    return cast(RunnableConfig, Checked((key, value) for key, value in config.items() if key not in keys))


class inside:  # noqa: N801 - as a function that is a context manager
    """Around the code of a stage: a Runnable that is called in it inherits ``config``."""

    __slots__ = ("_config", "_token")

    def __init__(self, config: RunnableConfig | None) -> None:
        self._config = child_config(config) if config is not None else None

    def __enter__(self) -> None:
        config = self._config
        is_new = config is not None and surrounding() is not config
        self._token: Token[Any] | None = SURROUNDING.set(config) if is_new else None

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            leave(self._token)


def handed(config: Mapping[str, Any] | None) -> RunnableConfig:
    """A copy to hand out, so that what is done to it, its lists and its metadata reaches nobody else."""
    copy = dict(config or ())
    for key, kind in (("tags", list), ("metadata", dict), ("listeners", list)):
        if isinstance(copy.get(key), kind):
            copy[key] = kind(copy[key])
    return cast(RunnableConfig, copy)
