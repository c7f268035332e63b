"""``RunnableConfig``: options that travel down a chain, and how two of them merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any, TypedDict, cast

__all__ = [
    "DEFAULT_BUFFER_BYTES",
    "DEFAULT_BUFFER_SIZE",
    "DEFAULT_RECURSION_LIMIT",
    "RunnableConfig",
    "child_config",
    "merge_configs",
]

DEFAULT_RECURSION_LIMIT = 25
DEFAULT_BUFFER_BYTES = 8 << 20  # 2048 chunks of 4 KiB: chunks of a usual size are bounded by their number
DEFAULT_BUFFER_SIZE = 512  # a change of threads costs 40 us: 0.1 us a chunk, 0.2 with 256, 0.7 with 64


class RunnableConfig(TypedDict, total=False):
    """Options of one call. Every key is optional; unknown keys travel along untouched."""

    run_name: str
    """Name of this run; not handed to the stages of a chain."""
    tags: list[str]
    """Labels; merging appends those that are new."""
    metadata: dict[str, Any]
    """Facts about the run; merging updates key by key."""
    max_concurrency: int | None
    """Most calls that ``batch`` has in flight at once, nested batches included; ``None``: the executor's size."""
    recursion_limit: int
    """How often a function may return another Runnable to be run in its place."""
    timeout: float | None
    """Seconds that a whole call may take."""
    first_chunk_timeout: float | None
    """Seconds that the first chunk may take."""
    buffer_size: int
    """Chunks that a pipeline reads ahead at most, all its hand-offs between threads together; 512 if not given."""
    buffer_bytes: int
    """Bytes that these chunks hold at most; 8 MiB if not given. A chunk larger than that goes alone."""
    executor: Executor | None
    """Where ``batch`` runs its calls."""
    listeners: list[Callable[..., object]]
    """Called at the start, end and failure of a run; merging appends."""


def merge_configs(*configs: Mapping[str, Any] | None) -> RunnableConfig:
    """Merge from left to right: tags and listeners are appended, metadata is updated, any other key is replaced.

    A key set to ``None`` counts as unset. The arguments stay as they are.
    """
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in (config or {}).items():
            if value is None:
                continue
            if key == "tags":
                have = merged.get(key, [])
                merged[key] = [*have, *(tag for tag in value if tag not in have)]
            elif key == "listeners":
                merged[key] = [*merged.get(key, []), *value]
            elif key == "metadata":
                merged[key] = {**merged.get(key, {}), **value}
            else:
                merged[key] = value
    return cast(RunnableConfig, merged)


def child_config(config: RunnableConfig | None) -> RunnableConfig | None:
    """What a chain hands to its stages: everything but ``run_name``, which names the chain itself."""
    if not config or "run_name" not in config:
        return config
    return cast(RunnableConfig, {key: value for key, value in config.items() if key != "run_name"})
