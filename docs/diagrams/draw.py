"""Draws the diagrams of the pages: ``python docs/diagrams/draw.py`` writes the SVG files beside it.

What they show is not drawn by hand: each runs the package, on pieces or on a clock that is counted, and draws what came
out and when. A test holds the files equal to what this draws.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

from seen import At, after_pieces, arriving, at_moments, now, watched
from svg import WIDTH, Drawing

from streamcore import BPE, Lines, RunnableLambda, Words, ops

HERE = Path(__file__).resolve().parent
LEFT = 16.0
SHOWN = {0x0A: r"\n", 0x0D: r"\r", 0x20: "␣"}
INSIDE = WIDTH - 2 * LEFT


# ---- what a cut does


class Cuts:
    """A row for each piece: its bytes, before them those that wait, and below what came out, under its own bytes."""

    def __init__(self, picture: Drawing, whole: bytes, between: bytes = b"") -> None:
        self.picture, self.whole, self.between = picture, whole, between
        self.cell = INSIDE / len(whole)

    def rows(self, name: str, steps: Iterable[tuple[bytes, list[tuple[str, int]]]], kind: str = "b") -> None:
        """Of each piece the label and the size of what came out; ``between`` are bytes that belong to no item."""
        picture = self.picture
        picture.write(LEFT, picture.y + 13, name)
        picture.y += 22
        came = taken = 0
        for piece, out in steps:
            if not piece and not out:
                continue
            taken = self.skipped(taken, came)
            self.bytes_of(taken, came, came + len(piece))
            came += len(piece)
            picture.y += 22
            for label, size in out:
                taken = self.skipped(taken, came)
                picture.chip(LEFT + taken * self.cell + 1, picture.y, size * self.cell - 2, label, kind, 20)
                taken += size
            picture.y += 28 if out else 5
        assert self.skipped(taken, came) == len(self.whole)
        picture.y += 8

    def skipped(self, taken: int, came: int) -> int:
        while taken < came and self.whole[taken] in self.between:
            taken += 1
        return taken

    def bytes_of(self, taken: int, came: int, end: int) -> None:
        picture, cell = self.picture, self.cell
        if taken < came:
            picture.box(LEFT + taken * cell + 1, picture.y, (came - taken) * cell - 2, 20, "held")
        if came < end:
            picture.box(LEFT + came * cell + 1, picture.y, (end - came) * cell - 2, 20, "a")
        else:
            picture.line(LEFT + INSIDE - 1, picture.y - 2, LEFT + INSIDE - 1, picture.y + 22, "stop")
        for at in range(taken, end):
            byte = self.whole[at]
            sign = SHOWN.get(byte) or (chr(byte) if byte < 0x7F else f"{byte:02x}")
            picture.write(
                LEFT + (at + 0.5) * cell, picture.y + 14.5, sign, "code mid" + " soft" * (at < came)
            )


def cut_lines() -> Drawing:
    picture = Drawing(
        "What a cut does to lines",
        "The same bytes in two pieces and in four: the lines are the same, and each comes out once its end is there.",
    )
    whole = b"one\r\ntwo\nthree"
    table = Cuts(picture, whole, b"\r\n")
    for name, pieces in {
        "In two pieces": [b"one\r\ntw", b"o\nthree"],
        "In four": [b"one\r", b"\ntwo", b"\nth", b"ree"],
    }.items():
        assert b"".join(pieces) == whole
        steps = after_pieces(Lines(), pieces)
        table.rows(name, [(step.piece, [(line.decode(), len(line)) for line in step.out]) for step in steps])
    legend(picture, {"a": "arrives", "held": "waits", "b": "comes out", "stop": "the end"})
    return picture


def cut_tokens() -> Drawing:
    picture = Drawing(
        "What a cut does to tokens",
        "The same text in two pieces and in four, one cut within a character: the ids are the same. Each piece encoded "
        "by itself gives others.",
    )
    bpe = BPE.gpt2()
    size = {id: len(token) for token, id in bpe.ranks.items()}
    whole = "one river €".encode()
    table = Cuts(picture, whole)
    two, four = [whole[:10], whole[10:]], [b"on", b"e riv", b"er \xe2", b"\x82\xac"]
    for name, pieces in {"bpe.encoder(), in two pieces": two, "in four": four}.items():
        assert b"".join(pieces) == whole
        steps = after_pieces(bpe.encoder(), pieces)
        table.rows(
            name,
            [
                (step.piece, [(str(id), size[id]) for ids in step.out for id in ids.tolist()])
                for step in steps
            ],
        )
    alone = ["on", "e riv", "er ", "€"]
    by_itself = [(text.encode(), [(str(id), size[id]) for id in bpe.encode_to_list(text)]) for text in alone]
    table.rows("bpe.encode() of each piece by itself: other ids", by_itself, "other")
    legend(picture, {"a": "arrives", "held": "waits", "b": "comes out"})
    return picture


def legend(picture: Drawing, kinds: dict[str, str]) -> None:
    picture.line(LEFT, picture.y, WIDTH - LEFT, picture.y)
    picture.y += 9
    x = LEFT
    for kind, words in kinds.items():
        if kind == "stop":
            picture.line(x + 9, picture.y, x + 9, picture.y + 14, kind)
        else:
            picture.box(x, picture.y, 18, 14, kind)
        picture.write(x + 25, picture.y + 11.5, words, "soft")
        x += 44 + 7.2 * len(words)
    picture.y += 16


# ---- what happens when


class Lanes:
    """Lanes over a time that goes from left to right; ``moments`` wide."""

    def __init__(self, picture: Drawing, moments: float) -> None:
        self.picture = picture
        self.pitch = INSIDE / moments
        self.moments = moments
        self.top = picture.y

    def x(self, moment: float) -> float:
        return LEFT + moment * self.pitch

    def lane(self, name: str, code: bool = True) -> float:
        """Begin a lane; the middle of its line is returned."""
        picture = self.picture
        picture.write(LEFT, picture.y + 12, name, "code" if code else "")
        middle = picture.y + 32
        picture.line(LEFT, middle, WIDTH - LEFT, middle)
        picture.y += 52
        return middle

    def items(
        self, middle: float, events: Iterable[At], kind: str | Callable[[Any], str], end: float | None
    ) -> None:
        """Each item at its moment, those of one moment side by side from there on."""
        free = 0.0
        for event in events:
            words = event.what if isinstance(event.what, str) else " ".join(event.what)
            width = max(20.0, 8.2 * len(words) + 8)
            x = max(free, self.x(event.start) - 10)
            assert x + width < WIDTH - 4, "it does not fit"
            self.picture.chip(
                x, middle - 11, width, words, kind if isinstance(kind, str) else kind(event.what)
            )
            free = x + width + 2
        if end is not None:
            at = max(self.x(end), free + 1)
            self.picture.line(at, middle - 13, at, middle + 13, "stop")

    def bars(self, middle: float, events: Iterable[At], kind: str) -> None:
        for event in events:
            x, width = self.x(event.start), (event.end - event.start) * self.pitch
            self.picture.chip(x + 0.75, middle - 10, width - 1.5, event.what, kind, 20)

    def scale(self, step: int, last: int) -> None:
        picture = self.picture
        for moment in range(0, last + 1, step):
            picture.write(self.x(moment), picture.y + 8, str(moment), "soft mid")
        picture.y += 14


def merge() -> Drawing:
    one: dict[float, Any] = {1: "a", 5: "b", 9: "c"}
    two: dict[float, Any] = {3: "1", 5: "2", 14: "3"}
    seen: list[At] = []

    async def main() -> float:
        return await watched(ops.merge(arriving(one, 10), arriving(two, 15)), seen.append)

    end = at_moments(main())
    picture = Drawing(
        "ops.merge", "Items of two streams come out as they come, and the end with the last end."
    )
    lanes = Lanes(picture, 16)
    lanes.items(lanes.lane("one"), points(one), "a", 10)
    lanes.items(lanes.lane("two"), points(two), "b", 15)
    lanes.items(lanes.lane("ops.merge(one, two)"), seen, lambda what: "a" if what.isalpha() else "b", end)
    lanes.scale(2, 16)
    return picture


def points(moments: dict[float, Any]) -> list[At]:
    return [At(moment, moment, what) for moment, what in moments.items()]


def buffered(stage: Any) -> tuple[list[At], list[At]]:
    """A source that makes an item in two moments, a consumer that works with one for five: what each does when."""
    made: list[At] = []
    worked: list[At] = []

    async def source() -> AsyncIterator[str]:
        for item in "abcd":
            start = now()
            await asyncio.sleep(2)
            made.append(At(start, now(), item))
            yield item

    async def main() -> None:
        async for item in stage.atransform(source()):
            start = now()
            await asyncio.sleep(5)
            worked.append(At(start, now(), item))

    at_moments(main())
    return made, worked


def buffer() -> Drawing:
    picture = Drawing(
        "ops.buffer",
        "Without a buffer the source makes an item only while the consumer waits. With one it works meanwhile, until "
        "an item is held.",
    )
    lanes = Lanes(picture, 28)
    for name, stage in {"without": ops.tap(lambda item: None), "ops.buffer(1)": ops.buffer(1)}.items():
        made, worked = buffered(stage)
        picture.write(LEFT, picture.y + 12, name, "code")
        picture.y += 22
        held = [At(item.end, work.start, item.what) for item, work in zip(made, worked, strict=True)]
        rows = {"a": made, "held": [at for at in held if at.start < at.end], "b": worked}
        for kind, events in rows.items():
            if events:
                picture.line(LEFT, picture.y + 10, WIDTH - LEFT, picture.y + 10)
                lanes.bars(picture.y + 10, events, kind)
                picture.y += 23
        end = worked[-1].end
        picture.line(lanes.x(end) + 1, picture.y - 23, lanes.x(end) + 1, picture.y - 3, "stop")
        picture.y += 8
    lanes.scale(4, 28)
    picture.y += 4
    legend(picture, {"a": "source makes", "held": "held", "b": "consumer works"})
    return picture


def group() -> Drawing:
    source: dict[float, Any] = {1: "a", 3: "b", 5: "c", 7: "d", 9: "e", 14: "f"}
    picture = Drawing(
        "ops.group",
        "Lists by number, by time after their first item, and by whichever comes first; a list is open from its first "
        "item until it is out.",
    )
    lanes = Lanes(picture, 17)
    lanes.items(lanes.lane("source"), points(source), "a", 16)
    for name, stage in {
        "ops.group(3)": ops.group(3),
        "ops.group(seconds=5)": ops.group(seconds=5),
        "ops.group(2, seconds=3)": ops.group(2, seconds=3),
    }.items():
        seen: list[At] = []

        async def main(stage: Any = stage, seen: list[At] = seen) -> float:
            return await watched(stage.atransform(arriving(source, 16)), seen.append)

        end = at_moments(main())
        middle = lanes.lane(name)
        moment_of = {item: moment for moment, item in source.items()}
        for event in seen:
            start = moment_of[event.what[0]]
            picture.box(lanes.x(start), middle - 3, (event.start - start) * lanes.pitch, 6, "wait", 3)
        lanes.items(middle, seen, "b", end)
    lanes.scale(2, 16)
    picture.y += 4
    legend(picture, {"wait": "a list is open", "b": "comes out"})
    return picture


def noting(notes: list[At]) -> Callable[[str], None]:
    return lambda item: notes.append(At(now(), now(), item.strip()))


async def shouted(text: str) -> str:
    return text.upper()


def block() -> Drawing:
    source: dict[float, Any] = {1: "one ri", 5: "ver ma", 9: "ny ", 11: "cuts"}
    picture = Drawing(
        "Where a chain blocks",
        "A step that works item by item passes on what comes. A function of the whole input holds all of it back until "
        "the end, and so does everything behind it.",
    )
    lanes = Lanes(picture, 24)
    shown = {moment: text.replace(" ", "␣") for moment, text in source.items()}
    lanes.items(lanes.lane("source"), points(shown), "a", 13)
    loud = ops.map(str.upper)
    for names, stages in (
        (["Words()", "ops.map(str.upper)"], [Words(as_=str), loud]),
        (["RunnableLambda(shouted)", "Words()"], [RunnableLambda(shouted), Words(as_=str)]),
    ):
        seen: list[list[At]] = [[] for _ in stages]
        chain: Any = None
        stage: Any
        for stage, notes in zip(stages, seen, strict=True):
            noted = stage | ops.tap(noting(notes))
            chain = noted if chain is None else chain | noted

        async def main(chain: Any = chain) -> float:
            return await watched(chain.atransform(arriving(source, 13)), lambda at: None)

        end = at_moments(main())
        for at, (name, notes) in enumerate(zip(names, seen, strict=True)):
            middle = lanes.lane(("| " if at else "source | ") + name)
            if name.startswith("RunnableLambda"):
                picture.box(lanes.x(1), middle - 3, (notes[0].start - 1) * lanes.pitch, 6, "wait", 3)
            lanes.items(middle, notes, "b", end)
    lanes.scale(2, 12)
    picture.y += 4
    legend(picture, {"wait": "waits for its whole input", "b": "comes out"})
    return picture


DIAGRAMS: dict[str, Callable[[], Drawing]] = {
    "block": block,
    "buffer": buffer,
    "cut_lines": cut_lines,
    "cut_tokens": cut_tokens,
    "group": group,
    "merge": merge,
}


def main() -> None:
    for name, draw in DIAGRAMS.items():
        (HERE / f"{name}.svg").write_text(draw().text(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
