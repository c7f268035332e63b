"""A case of a comparison, and the work it becomes for a size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from struct import Struct
from typing import Any

__all__ = ["PEERS", "UNITS", "Case", "Side", "Work"]

# What a figure is, and whether more of it is better.
UNITS = {"MB/s": True, "ns an item": False, "ms": False, "MB": False}

TOGETHER = 500  # objects that the floor makes at a time

# The module and the distribution of each peer that is not in the standard library.
PEERS = {
    "httpx-sse": ("httpx_sse", "httpx-sse"),
    "jiter": ("jiter", "jiter"),
    "langchain-core": ("langchain_core", "langchain-core"),
    "numpy": ("numpy", "numpy"),
    "tiktoken": ("tiktoken", "tiktoken"),
    "tokenizers": ("tokenizers", "tokenizers"),
}


@dataclass(frozen=True, slots=True)
class Side:
    """One way to do the work.

    ``run`` is timed; ``result`` does the same and gives what must be equal on all sides; ``prepare(round)`` comes
    before each timing and is not timed. A ``direct`` side is not timed: its ``run`` gives the figure.
    """

    run: Callable[[], Any]
    result: Callable[[], Any]
    prepare: Callable[[int], object] | None = None
    direct: bool = False


@dataclass(slots=True)
class Work:
    """The sides of a case for one input of ``amount`` bytes or items; ``missing`` says of each other side why."""

    amount: float = 0
    sides: dict[str, Side] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    floor: Side | None = None

    def add(self, name: str, make: Callable[[], Side]) -> None:
        """Add a side; one whose package cannot be imported is missing, and so is a peer that fails."""
        try:
            if name in PEERS:
                import_module(PEERS[name][0])
            self.sides[name] = make()
        except ImportError as error:
            self.missing[name] = f"pip install {PEERS[name][1]}" if name in PEERS else str(error)
        except Exception as error:  # noqa: BLE001
            self.fail(name, error)

    def fail(self, name: str, error: Exception) -> None:
        """A peer may be of a version that is not known here; what fails of ours is raised."""
        if name not in PEERS:
            raise error
        self.sides.pop(name, None)
        self.missing[name] = f"fails: {type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"

    def add_ours(self, module: str, name: str, make: Callable[[Any], Side]) -> None:
        """Add both cores: ``make(what is called name in the module)``, whichever of them the package has chosen."""
        for core in ("native", "pure"):
            self.add(core, lambda core=core: make(ours(core, module, name)))  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Case:
    """``build(scale)`` makes the work; ``sides`` are the names it may have, ``floor`` says what its floor does.

    ``cpu``: the time of the processor counts, of all threads, not that of the clock on the wall.
    """

    name: str
    summary: str
    unit: str
    sides: tuple[str, ...]
    floor: str
    build: Callable[[float], Work]
    cpu: bool = False


def ours(core: str, module: str, name: str) -> Any:
    try:
        return getattr(import_module(f"streamcore._{core}.{module}"), name)
    except ImportError as error:
        raise ImportError(f"not built here: {error}") from error


def drained(make: Callable[[], Iterable[Any]], show: Callable[[Iterable[Any]], Any] = list) -> Side:
    """The side that takes all items of ``make()`` and drops each; ``show`` makes of them what is compared."""
    return Side(lambda: deque(make(), 0), lambda: show(make()))


def remade(items: list[Any]) -> Side:
    """The floor of items: as many of the same sizes made in C, a few hundred at a time.

    ``struct`` makes ``bytes`` of known sizes; ``str`` are split where one character stands between them.
    """
    groups = [items[at : at + TOGETHER] for at in range(0, len(items), TOGETHER)]
    if items and isinstance(items[0], bytes):
        formats = [
            (Struct("".join(f"{len(item)}s" for item in group)).unpack, b"".join(group)) for group in groups
        ]
        return drained(lambda: (unpack(data) for unpack, data in formats))
    joined = ["\0".join(group) for group in groups]
    return drained(lambda: (text.split("\0") for text in joined))


def copied(fragments: list[Any]) -> Side:
    """The floor of bytes: each fragment copied once."""
    return drained(lambda: map(bytearray, fragments))
