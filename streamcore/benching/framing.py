"""Bytes cut into lines, frames and events."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from . import inputs
from .case import Case, Side, Work, copied, drained, remade

__all__ = ["CASES"]

FRAGMENT = 65536


class Raw(io.RawIOBase):
    """A file over fragments: it costs a copy, as every file does."""

    def __init__(self, fragments: list[bytes]) -> None:
        self.fragments = iter(fragments)
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        given = self.rest or next(self.fragments, b"")
        size = min(len(given), len(buffer))
        buffer[:size] = given[:size]
        self.rest = given[size:]
        return size


def by_split(fragments: list[bytes]) -> Iterator[bytes]:
    """Lines by hand."""
    carry = b""
    for fragment in fragments:
        found = fragment.split(b"\n")
        found[0] = carry + found[0]
        carry = found.pop()
        yield from found
    if carry:
        yield carry


def lines(scale: float) -> Work:
    data = inputs.lines(int(8e6 * scale))
    fragments = inputs.cut(data, FRAGMENT)
    work = Work(len(data), floor=remade(data.splitlines()))
    work.add_ours(
        "framing.lines", "LinesEngine", lambda engine: drained(lambda: engine().iterate(iter(fragments)))
    )
    work.add("bytes.split by hand", lambda: drained(lambda: by_split(fragments)))

    def stripped(found: Any) -> list[bytes]:
        return [line[:-1] for line in found]

    work.add(
        "io.BufferedReader", lambda: drained(lambda: io.BufferedReader(Raw(fragments), FRAGMENT), stripped)
    )
    return work


def line_batches(scale: float) -> Work:
    data = inputs.lines(int(8e6 * scale))
    fragments = inputs.cut(data, FRAGMENT)
    work = Work(len(data), floor=copied(fragments))

    def lengths(batches: Any) -> list[int]:
        return [len(line) for batch in batches for line in batch]

    work.add_ours(
        "framing.lines",
        "LinesEngine",
        lambda engine: drained(lambda: engine().batches(iter(fragments)), lengths),
    )

    def by_numpy() -> Side:
        import numpy as np

        def positions() -> Iterator[Any]:
            at = 0
            for fragment in fragments:
                yield np.flatnonzero(np.frombuffer(fragment, np.uint8) == 10) + at
                at += len(fragment)

        def shown(found: Any) -> list[int]:
            return (np.diff(np.concatenate([[-1], *found])) - 1).tolist()  # type: ignore[no-any-return]

        return drained(positions, shown)

    work.add("numpy", by_numpy)
    return work


def frames(scale: float) -> Work:
    bodies = inputs.bodies(int(40_000 * scale))
    data = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    fragments = inputs.cut(data, FRAGMENT)
    work = Work(len(bodies), floor=remade(bodies))
    work.add_ours(
        "framing.length_prefixed",
        "LengthPrefixedEngine",
        lambda engine: drained(lambda: engine("u32be").iterate(iter(fragments))),
    )

    def by_reader() -> Iterator[bytes]:
        read, number = io.BufferedReader(Raw(fragments), FRAGMENT).read, int.from_bytes
        while head := read(4):
            yield read(number(head, "big"))

    work.add("io.BufferedReader", lambda: drained(by_reader))
    return work


def events(scale: float) -> Work:
    data = inputs.events(int(10_000 * scale))
    fragments = inputs.cut(data, 4096)
    blocks = data.split(b"\n\n")[:-1]
    work = Work(len(blocks), floor=remade(blocks))

    def texts(found: Any) -> list[str]:
        return [event.data for event in found]

    work.add_ours(
        "framing.sse",
        "ServerSentEventsEngine",
        lambda engine: drained(lambda: engine().iterate(iter(fragments)), texts),
    )

    def by_httpx() -> Side:
        import httpx
        import httpx_sse

        def source() -> Any:
            headers = {"content-type": "text/event-stream"}
            response = httpx.Response(200, headers=headers, content=iter(fragments))
            return httpx_sse.EventSource(response).iter_sse()

        return drained(source, texts)

    work.add("httpx-sse", by_httpx)
    return work


MADE = "objects of the same sizes made"
CASES = (
    Case(
        "lines",
        "lines of 60 to 140 B as bytes, fragments of about 64 KiB",
        "MB/s",
        ("native", "pure", "bytes.split by hand", "io.BufferedReader"),
        MADE,
        lines,
    ),
    Case(
        "line-batches",
        "the same lines as batches; numpy finds where they end, no more",
        "MB/s",
        ("native", "pure", "numpy"),
        "each fragment copied",
        line_batches,
    ),
    Case(
        "frames",
        "frames of 60 to 140 B behind a length of 4 B, fragments of about 64 KiB",
        "ns an item",
        ("native", "pure", "io.BufferedReader"),
        MADE,
        frames,
    ),
    Case(
        "events",
        "server-sent events of a model, fragments of about 4 KiB",
        "ns an item",
        ("native", "pure", "httpx-sse"),
        MADE,
        events,
    ),
)
