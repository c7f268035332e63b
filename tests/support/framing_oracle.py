"""Slow, obvious oracles of the framers, random input and cuts for them, and the ways to drive an engine."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from streamcore.errors import IncompleteItem, InvalidEncoding, InvalidFrame, ItemTooLarge

ERRORS = (ItemTooLarge, IncompleteItem, InvalidEncoding, InvalidFrame)

# ---- oracles: byte by byte, over the whole input ----


@dataclass
class Ends:
    """Where items end: (end of the content, start of the next item), and what only the end of input decides."""

    pairs: list[tuple[int, int]] = field(default_factory=list)
    undecided: int = 0


def line_ends(data: bytes, newline: str) -> Ends:
    ends, at = Ends(undecided=len(data) - (newline == "lf" and data.endswith(b"\r"))), 0
    while at < len(data):
        width = 2 if data[at : at + 2] == b"\r\n" else 1
        if width == 2 or data[at] == 0x0A or (data[at] == 0x0D and newline == "universal"):
            ends.pairs.append((at, at + width))
        at += width
    return ends


def delimiter_ends(data: bytes, delimiters: tuple[bytes, ...]) -> Ends:
    ends, at = Ends(undecided=len(data)), 0
    while at < len(data):
        if any(d != data[at:] and d.startswith(data[at:]) for d in delimiters):
            ends.undecided = min(ends.undecided, at)
        here = max((len(d) for d in delimiters if data.startswith(d, at)), default=0)
        if here:
            ends.pairs.append((at, at + here))
        at += here or 1
    return ends


@dataclass
class Oracle:
    keep: bool = False
    max_size: int | None = None
    on_oversize: str = "raise"
    on_incomplete: str = "emit"
    as_: Any = bytes
    items: list[Any] = field(default_factory=list)
    skipped: int = 0

    def run(self, data: bytes, ends: Ends) -> tuple[list[Any], Exception | None, int, int]:
        """Items, error, where its note puts it, how many were skipped."""
        try:
            start = 0
            for stop, after in ends.pairs:
                if self.exceeds(stop - start):
                    self.oversize(data, start)
                else:
                    self.emit(data[start : after if self.keep else stop], start)
                start = after
            if start < len(data):
                self.last(data, start, ends.undecided - start)
        except InvalidEncoding as error:
            return self.items, error, error.offset, self.skipped
        except ItemTooLarge as error:
            return self.items, error, error.offset, self.skipped
        except IncompleteItem as error:
            return self.items, error, len(data), self.skipped
        return self.items, None, 0, self.skipped

    def last(self, data: bytes, start: int, known: int) -> None:
        """What no end follows; only its first ``known`` bytes were known to be content before the input ended."""
        shown = self.exceeds(known)
        if shown or (self.on_incomplete == "emit" and self.exceeds(len(data) - start)):
            self.oversize(data, start)
        elif self.on_incomplete == "emit":
            self.emit(data[start:], start)
        if self.on_incomplete == "raise":
            raise IncompleteItem(len(data) - start, start)

    def exceeds(self, size: int) -> bool:
        return self.max_size is not None and size > self.max_size

    def oversize(self, data: bytes, start: int) -> None:
        assert self.max_size is not None
        if self.on_oversize == "raise":
            raise ItemTooLarge(self.max_size + 1, self.max_size, start)
        if self.on_oversize == "skip":
            self.skipped += 1
            return
        stop = start + self.max_size
        if self.as_ is str:
            for _ in range(3):
                if stop > start and data[stop] & 0xC0 == 0x80:
                    stop -= 1
        self.emit(data[start:stop], start)

    def emit(self, piece: bytes, start: int) -> None:
        if self.as_ is not str:
            self.items.append(piece)
            return
        try:
            self.items.append(piece.decode())
        except UnicodeDecodeError as error:
            bad = piece[error.start : error.end]
            raise InvalidEncoding("utf-8", bad, 0, len(bad), error.reason, start + error.start) from None


# ---- driving an engine in different ways ----


def described(error: Exception | None, notes: list[str] | None = None) -> object:
    if error is None:
        return None
    found = error.__notes__ if notes is None else notes
    return type(error), str(error), error.args, error.offset, found  # type: ignore[attr-defined]


def plain(items: list[Any]) -> list[Any]:
    return [item if isinstance(item, (bytes, str)) else bytes(item) for item in items]


def by_feed(engine: Any, cuts: list[Any]) -> tuple[list[Any], object]:
    items: list[Any] = []
    try:
        for fragment in cuts:
            items += engine.feed(fragment)
        items += engine.finish()
        assert engine.finish() == []
    except ERRORS as error:
        return plain(items), described(error)
    return plain(items), described(engine.error)


def by_iterate(engine: Any, cuts: list[Any]) -> tuple[list[Any], object]:
    items: list[Any] = []
    try:
        for item in engine.iterate(iter(cuts)):
            items.append(item)  # noqa: PERF402 - an error must leave what came before it
    except ERRORS as error:
        return plain(items), described(error)
    return plain(items), None


def by_batches(engine: Any, cuts: list[Any]) -> tuple[list[Any], object]:
    items: list[Any] = []
    try:
        for batch in engine.batches(iter(cuts)):
            here = list(batch)
            ends = batch.offsets.tolist()
            assert len(batch) == len(here) == len(ends) - 1 > 0
            raw = [item.encode() if isinstance(item, str) else item for item in plain(here)]
            assert [batch.data[a:b] for a, b in pairwise(ends)] == raw
            assert batch.nbytes == len(batch.data) == ends[-1]
            items += here
    except ERRORS as error:
        return plain(items), described(error)
    return plain(items), None


def random_cuts(rng: random.Random, data: bytes) -> list[Any]:
    if rng.random() < 0.15:
        cuts: list[Any] = [data[i : i + 1] for i in range(len(data))]
    else:
        marks = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((1, 2, 5, 12))))
        cuts = [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)], strict=True)]
    if rng.random() < 0.1:
        cuts = [rng.choice((bytearray, memoryview))(piece) for piece in cuts]
    return cuts


def random_policies(rng: random.Random) -> dict[str, Any]:
    return {
        "max_size": rng.choice((None, None, 1, 2, 3, 5, 8)),
        "on_oversize": rng.choice(("raise", "skip", "truncate")),
        "on_incomplete": rng.choice(("emit", "emit", "drop", "raise")),
        "as_": rng.choice((bytes, bytes, "view", str)),
    }


def random_data(rng: random.Random, pieces: list[bytes]) -> bytes:
    return b"".join(rng.choice(pieces) for _ in range(rng.choice((0, 1, 2, 5, 20, 200))))


def check(engine: Any, stage: str, data: bytes, oracle: Oracle, ends: Ends, rng: random.Random) -> int:
    """Cut ``data`` at random, some times; the engine is used again after reset()."""
    items, error, where, skipped = oracle.run(data, ends)
    wanted = (items, described(error, [f"in {stage}, at byte {where} of its input"]))
    for number, drive in enumerate((by_feed, by_feed, by_feed, by_iterate, by_batches, by_iterate)):
        cuts = [data] if number == 0 else random_cuts(rng, data)
        assert drive(engine, cuts) == wanted, (drive.__name__, cuts, oracle)
        assert engine.skipped == skipped, cuts
        assert error is not None or engine.offset == len(data)
        engine.reset()
    return 6
