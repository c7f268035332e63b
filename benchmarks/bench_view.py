"""Views against memoryview and bytes: made by slicing, compared, hashed, and taken into other objects.

pytest benchmarks/bench_view.py --benchmark-group-by=group
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("pytest_benchmark")

DATA = bytes(range(256)) * 400
STARTS = range(0, 100_000, 100)  # 1000 windows of 100 bytes


def windows() -> dict[str, Callable[[bytes], object]]:
    found: dict[str, Callable[[bytes], object]] = {"memoryview (pure)": memoryview, "bytes": bytes}
    try:
        from streamcore._native.buffers.view import View
    except ImportError:
        return found
    return {"native": View, **found}


def sliced(whole) -> list[object]:
    return [whole[start : start + 100] for start in STARTS]


WORK: dict[str, Callable[[list[object], list[bytes]], object]] = {
    "equality with bytes": lambda views, model: [a == b for a, b in zip(views, model, strict=True)],
    "hash": lambda views, model: [hash(view) for view in views],
    "bytes()": lambda views, model: [bytes(view) for view in views],
    "first byte": lambda views, model: [view[0] for view in views],
    "join": lambda views, model: b"".join(views),
}


@pytest.mark.parametrize("name", ["native", "memoryview (pure)", "bytes"])
def test_slicing(benchmark, name: str) -> None:
    benchmark.group = "view: 1000 slices of 100 B"
    benchmark.extra_info["bytes"] = 100 * len(STARTS)
    if name not in windows():
        pytest.skip("extensions are not built")
    whole = windows()[name](DATA)
    assert [bytes(view) for view in sliced(whole)] == sliced(DATA)
    benchmark(sliced, whole)


@pytest.mark.parametrize("name", ["native", "memoryview (pure)", "bytes"])
@pytest.mark.parametrize("work", WORK)
def test_use(benchmark, work: str, name: str) -> None:
    benchmark.group = f"view: {work} of 1000 x 100 B"
    benchmark.extra_info["bytes"] = 100 * len(STARTS)
    if name not in windows():
        pytest.skip("extensions are not built")
    model = sliced(DATA)
    views = sliced(windows()[name](DATA))
    assert WORK[work](views, model) == WORK[work](model, model)
    benchmark(WORK[work], views, model)
