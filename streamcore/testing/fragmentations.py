"""Ways to cut a sample."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise, product
from typing import Any

__all__ = ["cut_at", "few_fragmentations", "fragmentations"]

EXHAUSTIVE = 10
"""Samples of up to this many elements are cut in every way: 2 ** 9 of them."""


def cut_at(whole: Any, positions: Iterable[int]) -> list[Any]:
    """The fragments of ``whole`` between ``positions``, which may repeat (an empty fragment)."""
    edges = [0, *sorted(positions), len(whole)]
    return [whole[start:stop] for start, stop in pairwise(edges)]


def fragmentations(whole: Any, cuts: int = 100, seed: int = 0) -> Iterator[list[Any]]:
    """Ways to cut ``whole``: all of them if it is short, else every cut in two and ``cuts`` random ones.

    Empty fragments come first, last and in between.
    """
    size = len(whole)
    yield [whole]
    yield [whole[:0], whole, whole[:0]]
    if size <= EXHAUSTIVE:
        for inside in product((False, True), repeat=max(size - 1, 0)):
            yield cut_at(whole, (at + 1 for at, cut in enumerate(inside) if cut))
    else:
        yield [whole[at : at + 1] for at in range(size)]
        choose = random.Random(seed)
        points = range(1, size) if size <= 4 * cuts else choose.sample(range(1, size), cuts)
        yield from (cut_at(whole, (at,)) for at in points)
        for _ in range(cuts):
            count = choose.choice((2, 3, 5, size // 3, size))
            yield cut_at(whole, choose.choices(range(size + 1), k=count))


def few_fragmentations(whole: Any, most: int, seed: int = 0) -> Iterator[list[Any]]:
    """About ``most`` ways to cut ``whole``: single elements, empty ones in between, and cuts in two all over it."""
    size = len(whole)
    elements = [whole[at : at + 1] for at in range(size)] or [whole]
    yield elements
    yield [each for element in elements for each in (whole[:0], element)]
    points = list(range(1, size))
    random.Random(seed).shuffle(points)
    yield from (cut_at(whole, (at,)) for at in islice(points, most // 2))
    for start in range(most // 2 - 2):
        yield cut_at(whole, points[start::3][:8])
