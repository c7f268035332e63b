"""A slow oracle of words, one unit at a time, with random text, cuts and options, and the ways to drive the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamcore.errors import InvalidEncoding, ItemTooLarge

# ---- the oracle: one unit at a time ----


def cut_words(whole, keep):
    """(offset, item) of each item."""
    spans, start, before = [], 0, None
    for at in range(len(whole)):
        space = whole[at : at + 1].isspace()
        if keep == "trailing":
            if before and not space:
                spans.append((start, at))
                start = at
        elif space and before is False:
            spans.append((start, at))
        elif not space and before in (None, True):
            start = at
        before = space
    if len(whole) and (keep == "trailing" or not before):
        spans.append((start, len(whole)))
    return [(a, whole[a:b]) for a, b in spans]


@dataclass
class Options:
    keep: str
    max_size: int | None
    on_oversize: str
    as_: Any

    def arguments(self):
        return {"max_size": self.max_size, "on_oversize": self.on_oversize, "as_": self.as_}


def typed(item, as_):
    if as_ is None or isinstance(item, as_):
        return item
    return item.encode() if as_ is bytes else item.decode()


def expect(whole, options):
    """Items, how many were skipped, and the type and place of the error."""
    items, skipped = [], 0
    for offset, item in cut_words(whole, options.keep):
        limit = options.max_size
        if limit is not None and len(item) > limit:
            if options.on_oversize == "raise":
                return items, skipped, (ItemTooLarge, offset)
            if options.on_oversize == "skip":
                skipped += 1
                continue
            stop = limit
            if isinstance(item, bytes) and options.as_ is str:
                while stop > max(0, limit - 3) and item[stop] & 0xC0 == 0x80:
                    stop -= 1
            item = item[:stop]
        try:
            items.append(typed(item, options.as_))
        except UnicodeDecodeError as error:
            return items, skipped, (InvalidEncoding, offset + error.start)
        except UnicodeEncodeError as error:
            return items, skipped, (UnicodeEncodeError, (item, error.start))
    return items, skipped, None


# ---- data and cuts ----

ALPHABETS = ["ab ", "aé \x85\xa0", "漢 \u3000a\u2019", "😀 a\u2028", "a b\t\n\r\v\f\x1c\x1f", "é漢😀 \udc80"]


def random_whole(rnd):
    alphabet = rnd.choice([*ALPHABETS, "".join(ALPHABETS)])
    text = "".join(rnd.choices(alphabet, k=rnd.choice([0, 1, 2, 5, 20, 64, 65, 200])))
    if rnd.random() < 0.3:
        text = text.replace(" ", "")
    if rnd.random() < 0.4:
        data = bytearray(text.encode("utf-8", "replace"))
        if data and rnd.random() < 0.1:
            data[rnd.randrange(len(data))] = 0xFF
        return bytes(data)
    return text


def random_cuts(rnd, whole):
    if rnd.random() < 0.1:
        return [whole[i : i + 1] for i in range(len(whole))]
    places = sorted(rnd.randint(0, len(whole)) for _ in range(rnd.choice([0, 1, 1, 2, 5, 20])))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


def random_options(rnd):
    limited = rnd.random() < 0.4
    return Options(
        keep=rnd.choice(["trailing", "none"]),
        max_size=rnd.choice([1, 2, 3, 5, 8, 13, 60]) if limited else rnd.choice([None, 1000]),
        on_oversize=rnd.choice(["raise", "skip", "truncate"]),
        as_=rnd.choice([None, None, str, bytes]),
    )


def place_of(error):
    if isinstance(error, UnicodeEncodeError):
        return type(error), (error.object, error.start)
    return type(error), error.offset


def run(engine, fragments, way):
    items, failure = [], None
    try:
        if way == "feed":
            for fragment in fragments:
                items += engine.feed(fragment)
            items += engine.finish()
            engine.finish()
        elif way == "iterate":
            for item in engine.iterate(iter(fragments)):
                items.append(item)
        else:
            for batch in engine.batches(iter(fragments)):
                items += batch
    except (ItemTooLarge, InvalidEncoding, UnicodeEncodeError) as error:
        failure = place_of(error)
    return items, engine.skipped, failure
