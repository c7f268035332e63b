"""All in one pipeline: a thread, a channel, a ring buffer, framers, text, tokens and words; memory stays flat."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from soak.memory import ALLOWED, Source, fragments, resident

from streamcore import BPE, UTF8, Channel, FixedSize, Lines, RingBuffer, Words, ops

__all__ = ["soak"]

WARM = 1 << 31
SAMPLE = 50  # one line in so many goes on as text and tokens, which are slower than lines


class Counter:
    """How many items went by."""

    def __init__(self) -> None:
        self.count = 0

    def keep(self, item: object) -> bool:
        self.count += 1
        return self.count % SAMPLE == 1


def from_thread(source: Source) -> Iterator[bytes]:
    """The source is read by another thread, as a file or a socket would be."""
    channel = Channel[bytes](1 << 20, size=len)

    def put() -> None:
        for part in source:
            channel.put(part)
        channel.close()

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    yield from channel
    thread.join()


def through_ring(parts: Iterator[bytes]) -> Iterator[bytes]:
    ring = RingBuffer(1 << 20)
    for part in parts:
        assert ring.write(part) == len(part)
        if len(ring) >= 1 << 18:
            yield ring.read()
    yield ring.read()


def words_of(lines: Counter, pieces: Iterator[bytes]) -> int:
    """How many words come out at the end of bytes -> blocks -> lines -> text -> ids -> text -> words."""
    bpe = BPE.gpt2(cache_bytes=1 << 20)
    pipeline = (
        FixedSize(10_007)
        | Lines(keepends=True)
        | ops.filter(lines.keep)
        | UTF8()
        | bpe.encoder()
        | bpe.decoder()
        | Words("none")
    )
    return sum(1 for _ in pipeline.transform(pieces))


def soak(gigabytes: float) -> int:
    """So many bytes; what comes out is counted against what must, memory is looked at all along."""
    parts = fragments()
    whole = b"".join(parts)
    total = gigabytes * 1e9
    seen: list[int] = []
    began = time.perf_counter()

    def look(taken: int) -> None:
        if taken < min(WARM, total / 4):
            return
        seen.append(resident())
        if len(seen) % 256 == 0:
            rate = taken / (time.perf_counter() - began) / 1e9
            print(f"{taken / 1e9:8.1f} GB, {rate:.2f} GB/s, {seen[-1] / 2**20:.1f} MB resident", flush=True)

    source, lines = Source(parts, total, look), Counter()
    words = words_of(lines, through_ring(from_thread(source)))
    expected_lines, expected_words = expected(whole, source.taken)
    grown = max(seen) - seen[0]
    print(
        f"{source.taken / 1e9:.1f} GB, {lines.count} lines ({expected_lines} due), {words} words of samples"
        f" ({expected_words} due), {time.perf_counter() - began:.0f} s, {seen[0] / 2**20:.1f} MB resident,"
        f" at most {grown / 2**20:+.2f} MB later"
    )
    return int(grown > ALLOWED or lines.count != expected_lines or words != expected_words)


def expected(whole: bytes, taken: int) -> tuple[int, int]:
    """Lines and words of samples in ``taken`` bytes of the endless repetition of ``whole``, which ends with a line."""
    assert whole.endswith(b"\n")
    sizes = [len(line) for line in whole.splitlines(keepends=True)]
    words = [len(line.split()) for line in whole.splitlines(keepends=True)]
    rounds, rest = divmod(taken, len(whole))
    last = whole[:rest].splitlines(keepends=True)
    lines = rounds * len(sizes) + len(last)
    # A sample is every SAMPLE-th line: its places in a round repeat after SAMPLE rounds.
    count = sum(words[at % len(words)] for at in range(0, min(lines, SAMPLE * len(words)), SAMPLE))
    cycles, over = divmod(lines, SAMPLE * len(words))
    if cycles:
        count *= cycles
        count += sum(words[at % len(words)] for at in range(0, over, SAMPLE))
    if last and not last[-1].endswith(b"\n") and (lines - 1) % SAMPLE == 0:
        count += len(last[-1].split()) - words[(lines - 1) % len(words)]
    return lines, count
