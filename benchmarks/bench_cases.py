"""The cases of ``streamcore bench``, under pytest-benchmark: ``pytest benchmarks/bench_cases.py -k lines``.

One case a group, inputs of a quarter of the size, or tiny with ``--benchmark-disable``. Results are compared before
timing. Sizes and memory are no times: for these see ``streamcore bench``.
"""

from __future__ import annotations

import pytest

from streamcore.benching.catalogue import CASES
from streamcore.benching.measuring import unequal

SCALE = 0.25
TINY = 0.02


@pytest.fixture(scope="module")
def works(request):
    """``works(name)``: the work of a case, made once; its results are equal."""
    made = {}
    scale = TINY if request.config.getoption("benchmark_disable") else SCALE

    def build(name):
        if name not in made:
            made[name] = CASES[name].build(scale)
            assert unequal(made[name]) == []
        return made[name]

    return build


@pytest.mark.parametrize(
    ("name", "side"), [(case.name, side) for case in CASES.values() for side in case.sides]
)
def test_case(benchmark, works, name: str, side: str) -> None:
    work = works(name)
    if side in work.missing:
        pytest.skip(work.missing[side])
    timed = work.sides[side]
    benchmark.group = f"{name}: {CASES[name].summary}"
    benchmark.extra_info["amount"] = work.amount
    rounds = iter(range(1, 1000))

    def setup() -> None:
        if timed.prepare is not None:
            timed.prepare(next(rounds))

    benchmark.pedantic(timed.run, setup=setup, rounds=3 if timed.direct else 7)
