"""M1 and M2: what goes through a stage leaves nothing behind, and a long item costs what a bytearray does."""

from __future__ import annotations

import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, cycle, islice, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from streamcore import (
    BPE,
    UTF8,
    Channel,
    ContentDefined,
    Delimited,
    FixedSize,
    JSONDeltas,
    JSONLines,
    LengthPrefixed,
    Lines,
    RingBuffer,
    Sections,
    ServerSentEvents,
    Stop,
    TextSplitter,
    Words,
)

__all__ = ["STAGES", "long_items", "resident", "soak"]

TEXT = (
    "The quick brown fox, 1234 of them; it's über-fast \u2014 中文字 \U0001f600!\r\n"
    "\tdef stream(self, input):\n        yield from self.cut(input)  # no item is lost\n\n" + "x" * 900 + "\n"
)
FRAGMENT = 1 << 16
WARM = 1 << 28  # bytes before the first look: pools, caches and arenas have their size then
ALLOWED = 1 << 20


def resident() -> int:
    """Bytes of memory of this process."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def fragments() -> list[bytes]:
    """Some fragments of different sizes that end anywhere, also inside characters; they are used over and over."""
    whole = TEXT.encode() * (8 * FRAGMENT // len(TEXT.encode()) + 1)
    sizes = islice(cycle((FRAGMENT, 1000, FRAGMENT - 1, 17, 4096, FRAGMENT + 3)), 60)
    parts, at = [], 0
    for size in sizes:
        if at + size > len(whole):
            break
        parts.append(whole[at : at + size])
        at += size
    return [*parts, whole[at:]]


class Source:
    """Fragments over and over, about ``total`` bytes of them; asks ``look`` now and then."""

    def __init__(self, parts: list[Any], total: float, look: Callable[[int], None]) -> None:
        self.parts, self.total, self.look, self.taken = parts, total, look, 0

    def __iter__(self) -> Iterator[Any]:
        next_look = 0
        for part in cycle(self.parts):
            yield part
            self.taken += getattr(part, "nbytes", len(part))
            if self.taken >= next_look:
                self.look(self.taken)
                next_look += 1 << 24
                if self.taken >= self.total:
                    return


def drop(items: Iterable[Any]) -> None:
    deque(items, maxlen=0)


def through_ring(source: Source) -> None:
    ring = RingBuffer(1 << 20)
    for part in source:
        assert ring.write(part) == len(part)
        while len(ring) > 1 << 19:
            ring.views(10_000)
            ring.read(30_000)


def through_channel(source: Source) -> None:
    channel = Channel[bytes](1 << 20, size=len)

    def put() -> None:
        for part in source:
            channel.put(part)
        channel.close()

    thread = threading.Thread(target=put)
    thread.start()
    drop(channel)
    thread.join()


def text_fragments() -> list[str]:
    return [part.decode("utf-8", "ignore") for part in fragments()]


def id_fragments() -> list[Any]:
    bpe = BPE.gpt2()
    return [bpe.encode(part) for part in text_fragments()]


def json_fragments() -> list[str]:
    text = "".join(
        f'{{"id": {number}, "text": "some words\\n", "list": [1.5, null]}},' for number in range(5000)
    )
    return [text[at : at + 1000] for at in range(0, len(text), 1000)]


def through_json(source: Source) -> None:
    """An array without end."""
    engine = JSONDeltas(strict=False).engine()
    engine.feed("[")
    drop(engine.iterate(iter(source)))


def event_fragments() -> list[bytes]:
    """Whole events of different fields, over and over, cut anywhere."""
    whole = b"".join(
        b": ping\nevent: delta\nid: %d\ndata: %s\ndata: more\nretry: 10\n\n" % (number, b"x" * (number % 300))
        for number in range(3000)
    )
    return [whole[at : at + 5000] for at in range(0, len(whole), 5000)]


def frame_fragments() -> list[bytes]:
    whole = b"".join(size.to_bytes(4, "big") + bytes(size) for size in range(0, 3000, 7))
    return [whole[at : at + 5000] for at in range(0, len(whole), 5000)]


def through_skipped_frame(source: Source) -> None:
    """One frame without end, whose size is over the limit."""
    engine = LengthPrefixed("u64be", on_oversize="skip", on_incomplete="drop").engine()
    engine.feed((1 << 62).to_bytes(8, "big"))
    drop(engine.iterate(iter(source)))


def stage(made: Callable[[], Any], way: str = "transform") -> Callable[[Source], None]:
    return lambda source: drop(getattr(made(), way)(iter(source)))


Row = tuple[Callable[[], list[Any]], Callable[[Source], None]]
STAGES: dict[str, Row] = {
    "fixed_size": (fragments, stage(lambda: FixedSize(1000))),
    "lines": (fragments, stage(Lines)),
    "lines_universal_str": (fragments, stage(lambda: Lines(newline="universal", as_=str))),
    "lines_batches": (fragments, stage(Lines, "batches")),
    "delimited": (fragments, stage(lambda: Delimited(b"it", b"item"))),
    "utf8": (fragments, stage(UTF8)),
    "words": (text_fragments, stage(Words)),
    "words_bytes": (fragments, stage(lambda: Words("none"))),
    "sections": (text_fragments, stage(lambda: Sections({"def": ("def ", "\n"), "call": ("(", ")")}))),
    "stop": (text_fragments, stage(lambda: Stop("\x00never", "returned never"))),
    "json_deltas": (json_fragments, through_json),
    "frames": (frame_fragments, stage(lambda: LengthPrefixed(on_incomplete="drop"))),
    "frames_batches": (frame_fragments, stage(lambda: LengthPrefixed(on_incomplete="drop"), "batches")),
    "frame_skipped": (lambda: [b"x" * FRAGMENT], through_skipped_frame),
    "events": (event_fragments, stage(ServerSentEvents)),
    "events_as_views": (event_fragments, stage(lambda: ServerSentEvents(as_="view"))),
    "event_comments": (lambda: [b": comment\n" * 1000, b":" + b"c" * FRAGMENT], stage(ServerSentEvents)),
    "event_blank_lines": (lambda: [b"\n\r\r\n" * 20_000], stage(ServerSentEvents)),
    "event_unknown_field": (lambda: [b"x" * FRAGMENT], stage(ServerSentEvents)),
    "fastcdc": (fragments, stage(ContentDefined)),
    "ram": (fragments, stage(lambda: ContentDefined(algorithm="ram"))),
    "splitter": (text_fragments, stage(lambda: TextSplitter(1000))),
    "splitter_bytes": (text_fragments, stage(lambda: TextSplitter(1000, length="bytes", as_=str))),
    "splitter_overlap": (text_fragments, stage(lambda: TextSplitter(1000, overlap=100))),
    "splitter_tokens": (text_fragments, stage(lambda: TextSplitter(200, length=BPE.gpt2()))),
    "json_lines": (fragments, stage(lambda: JSONLines(bytes, as_="view"))),
    "json_lines_bad": (fragments, stage(lambda: JSONLines(int, on_error="yield"))),
    "json_lines_blank": (lambda: [b" \t\r" * 20_000], stage(JSONLines)),
    "bpe_encoder": (text_fragments, stage(lambda: BPE.gpt2().encoder())),
    "bpe_decoder": (id_fragments, stage(lambda: BPE.gpt2().decoder(stop="\x00never"))),
    "ring_buffer": (fragments, through_ring),
    "channel": (fragments, through_channel),
}


def one(name: str, gigabytes: float) -> tuple[str, int, float, int, int]:
    """Name, bytes, seconds, resident memory after warming up, and the most it grew by."""
    make, run = STAGES[name]
    parts = make()
    seen: list[int] = []

    def look(taken: int) -> None:
        if taken >= min(WARM, total / 4):
            seen.append(resident())

    total = gigabytes * 1e9
    source = Source(parts, total, look)
    gc.collect()
    began = time.perf_counter()
    run(source)
    return name, source.taken, time.perf_counter() - began, seen[0], max(seen) - seen[0]


def soak(gigabytes: float, names: list[str], jobs: int) -> int:
    """M1; each stage in a process of its own, so that none hides in what another left."""
    failed = 0
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for name, taken, seconds, base, grown in pool.map(one, names, [gigabytes] * len(names)):
            verdict = "flat" if grown <= ALLOWED else "GROWS"
            failed |= grown > ALLOWED
            print(
                f"{name:20} {taken / 1e9:8.2f} GB {seconds:8.0f} s  {base / 2**20:7.1f} MB resident,"
                f" at most {grown / 2**20:+.2f} MB later: {verdict}",
                flush=True,
            )
    return int(failed)


# ---- M2


def bytearray_item(part: bytes, count: int) -> int:
    grown = bytearray()
    for _ in range(count):
        grown += part
    return len(bytes(grown))


def stage_item(
    made: Callable[[], Any], before: Any = b"", after: Any = b"", size: Callable[[Any], int] = len
) -> Callable[[bytes, int], int]:
    """The last item of a stage that gets ``before``, ``count`` parts and ``after``."""

    def run(part: bytes, count: int) -> int:
        piece, item = part if isinstance(before, bytes) else part.decode(), None
        for item in made().transform(chain([before], repeat(piece, count), [after])):  # noqa: B007 - the last is measured
            pass
        return size(item)

    return run


def pieces_of(
    made: Callable[[], Any], before: str, size: Callable[[Any], int]
) -> Callable[[bytes, int], int]:
    """The same for what comes in pieces: all of them."""

    def run(part: bytes, count: int) -> int:
        return sum(map(size, made().transform(chain([before], repeat(part.decode(), count)))))

    return run


def megabytes_item(size: int) -> dict[str, Callable[[bytes, int], int]]:
    return {
        "bytearray": bytearray_item,
        "fixed_size": stage_item(lambda: FixedSize(size, as_=bytes)),
        "lines": stage_item(lambda: Lines(max_size=None)),
        "lines_universal": stage_item(lambda: Lines(newline="universal", max_size=None)),
        "delimited": stage_item(lambda: Delimited(b"|", max_size=None)),
        "delimited_several": stage_item(lambda: Delimited(b"||", b"|-|", max_size=None)),
        "words": stage_item(lambda: Words(max_size=None)),
        "frame": stage_item(lambda: LengthPrefixed(max_size=None), size.to_bytes(4, "big")),
        "event": stage_item(lambda: ServerSentEvents(max_size=None, as_=bytes), b"data: ", b"\n\n"),
        "record": stage_item(lambda: JSONLines(bytes, max_size=None, as_="view")),
        "json_string": stage_item(
            lambda: JSONDeltas(whole_strings=True, max_size=None), '"', '"', lambda delta: len(delta.value)
        ),
        "json_string_deltas": pieces_of(
            lambda: JSONDeltas(strict=False), '"', lambda delta: len(delta.value)
        ),
        "section": pieces_of(
            lambda: Sections({"a": ("<a>", "</a>")}), "<a>", lambda section: len(section.text)
        ),
        "piece": stage_item(
            lambda: TextSplitter(1000, separators=("|",)), "", "", lambda chunk: len(chunk.text)
        ),
        "piece_of_words": pieces_of(lambda: TextSplitter(1000), "", lambda chunk: len(chunk.text)),
    }


def timed(run: Callable[[bytes, int], int], size: int) -> float:
    part = b"x" * 1024
    began = time.perf_counter()
    assert run(part, size // 1024) == size
    return time.perf_counter() - began


def long_items(megabytes: int) -> int:
    """M2: minima of five interleaved rounds; the time of an item against a bytearray's, and of one 4 times as long."""
    small, large = megabytes << 20, 4 * megabytes << 20
    best: dict[str, list[float]] = {name: [9e9, 9e9] for name in megabytes_item(small)}
    for _ in range(5):
        for at, size in enumerate((small, large)):
            for name, run in megabytes_item(size).items():
                best[name][at] = min(best[name][at], timed(run, size))
    failed = 0
    for name, (one_size, four_sizes) in best.items():
        ratio, growth = one_size / best["bytearray"][0], four_sizes / one_size
        bad = name != "bytearray" and (ratio > 1.2 or growth > 4.5)
        failed |= bad
        print(
            f"{name:20} {megabytes} MB {one_size * 1e3:7.1f} ms, {ratio:.2f} of a bytearray; 4 times as long:"
            f" {growth:.2f} times the time{'  TOO SLOW' if bad else ''}",
            flush=True,
        )
    return int(failed)
