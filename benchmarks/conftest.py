"""What the benchmarks share: both backends, text to work on, and one way to measure.

``STREAMCORE_CORPUS`` names a directory of text files to use; without it the sources of Python's standard library are
the text. Nothing random is unseeded, so two runs on one machine see the same bytes.
"""

from __future__ import annotations

import os
import pkgutil
import random
import sysconfig
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

MB = 1_000_000


class Backend:
    """One backend by name: ``backend.LinesEngine`` is what bears that name in whichever of its modules has it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        package = import_module(f"streamcore._{self.name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            value = None if module.ispkg else vars(import_module(module.name)).get(name)
            if value is not None:
                setattr(self, name, value)
                return value
        if self.name == "native":
            pytest.skip(f"no native {name}: extensions are not built")
        raise AttributeError(f"no module of {package.__name__} has a {name}")


@pytest.fixture(scope="session", params=["native", "pure"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Both rows of a comparison from one benchmark function."""
    return Backend(request.param)


class Corpus:
    """Bytes to measure on, made once and kept."""

    def __init__(self, folder: Path, share: float) -> None:
        self.folder = folder
        self.share = share
        self.made: dict[tuple[Any, ...], bytes] = {}

    def _once(self, *key: Any, make: Callable[[], bytes]) -> bytes:
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def _sized(self, size: int) -> int:
        return max(int(size * self.share), min(size, 100_000))

    def text(self, size: int = 10 * MB) -> bytes:
        """``size`` bytes of UTF-8 text: the files of the corpus one after another, from the start again if short.

        The last character may be cut.
        """
        size = self._sized(size)
        return self._once("text", size, make=lambda: self._read(size))

    def _read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        missing = size
        pattern = "*" if "STREAMCORE_CORPUS" in os.environ else "*.py"
        for path in sorted(path for path in self.folder.rglob(pattern) if path.is_file()):
            if missing > 0 and "test" not in path.parts and "site-packages" not in path.parts:
                piece = path.read_bytes()[:missing]
                pieces.append(piece)
                missing -= len(piece)
        whole = b"".join(pieces)
        if not whole:
            raise FileNotFoundError(f"no text in {self.folder}")
        return (whole * (size // len(whole) + 1))[:size]

    def lines(self, width: int, size: int = 10 * MB) -> bytes:
        """Text of about ``size`` bytes in lines of ``width`` bytes each, the LF included."""

        def make() -> bytes:
            body = self._read(small).replace(b"\n", b" ").replace(b"\r", b" ")
            return b"".join(body[at : at + width - 1] + b"\n" for at in range(0, small - width, width - 1))

        small = self._sized(size)
        return self._once("lines", width, size, make=make)

    def words(self, size: int = 10 * MB, seed: int = 0) -> bytes:
        """Random words of 1 to 12 ASCII letters, single spaces between them, a LF now and then."""

        def make() -> bytes:
            source = random.Random(seed)
            alphabet = [chr(97 + number) for number in range(26)]
            pieces = ["".join(source.choices(alphabet, k=source.randint(1, 12))) for _ in range(20_000)]
            text = "".join(piece + ("\n" if source.random() < 0.1 else " ") for piece in pieces).encode()
            return (text * (small // len(text) + 1))[:small]

        small = self._sized(size)
        return self._once("words", size, seed, make=make)

    def random(self, size: int = 10 * MB, seed: int = 0) -> bytes:
        """Random bytes."""
        size = self._sized(size)
        return self._once("random", size, seed, make=lambda: random.Random(seed).randbytes(size))

    @staticmethod
    def fragments(data: bytes, size: int) -> list[bytes]:
        """``data`` cut into pieces of ``size`` bytes."""
        return [data[at : at + size] for at in range(0, len(data), size)]

    @staticmethod
    def random_fragments(data: bytes, mean: int, seed: int = 0) -> list[bytes]:
        """``data`` cut at random places, ``mean`` bytes apart on average."""

        def places() -> Iterator[int]:
            source = random.Random(seed)
            at = 0
            while at < len(data):
                yield at
                at += source.randint(1, 2 * mean - 1)

        cuts = [*places(), len(data)]
        return [data[start:end] for start, end in pairwise(cuts)]


@pytest.fixture(scope="session")
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """All of it to measure on, a tenth where ``--benchmark-disable`` only compares results."""
    folder = os.environ.get("STREAMCORE_CORPUS") or sysconfig.get_paths()["stdlib"]
    return Corpus(Path(folder), 0.1 if request.config.getoption("benchmark_disable") else 1)


@pytest.fixture
def measure(benchmark: Any) -> Callable[..., Any]:
    """``measure(group, function, nbytes, rounds=7)``: one row of the group's table; returns the last result.

    Every round calls ``function()`` once, after two calls that are not counted. ``nbytes`` is what a round works on.
    """

    def run(group: str, function: Callable[[], Any], nbytes: int, rounds: int = 7) -> Any:
        benchmark.group = group
        benchmark.extra_info["bytes"] = nbytes
        result = benchmark.pedantic(function, rounds=rounds, warmup_rounds=2)
        stats = getattr(benchmark, "stats", None)
        if stats:
            benchmark.extra_info["MB/s"] = round(nbytes / stats.stats.median / MB, 1)
        return result

    return run
