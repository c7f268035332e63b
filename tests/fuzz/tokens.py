"""The tokenizer at once: each method on text, and decoding of whatever array numpy can make."""

from __future__ import annotations

from typing import Any

import numpy as np
from fuzz.draw import Draw
from fuzz.twins import Log, attempt, equal, plain

__all__ = ["play_arrays", "play_core"]

METHODS = ("encode", "encode_to_list", "count", "offsets", "truncate", "count_until", "encode_many", "round")


def play_core(draw: Draw, pair: list[Any], options: dict[str, Any]) -> None:
    """One method of the tokenizer, twice: the second time its cache knows the pieces."""
    method = draw.choice(METHODS)
    number = draw.number()
    form = draw.byte() % 3
    parts = 1 + draw.byte() % 3
    data = draw.rest()
    text: Any = data if form == 0 else data.decode("utf-8", "surrogateescape")
    if form == 2:
        text = data[: len(data) & ~1].decode("utf-16-le", "surrogatepass")
    logs = [Log(), Log()]
    for core, log in zip(pair, logs, strict=True):
        for _ in range(2):
            if method in ("truncate", "count_until"):
                log.call(method, lambda core=core: getattr(core, method)(text, number, **options))
            elif method == "encode_many":
                texts = [text[at::parts] for at in range(parts)] if form else [text, text[:3], b""]
                log.call(method, lambda core=core, texts=texts: core.encode_many(texts, number, **options))
            elif method == "round":
                log.call(method, lambda core=core: core.decode_bytes(core.encode_ordinary(text)))
            else:
                log.call(method, lambda core=core: getattr(core, method)(text, **options))
        log.check_kept()
    equal(logs[0].steps, logs[1].steps, method, text, number, options)


DTYPES = (
    "u4",
    "i4",
    "u8",
    "i8",
    "u2",
    "i2",
    "u1",
    "i1",
    ">u4",
    ">i8",
    "f8",
    "f4",
    "?",
    "O",
    "c16",
    "S2",
    "M8[s]",
)


def play_arrays(draw: Draw, pair: list[Any]) -> None:
    """``decode`` of an array of any type, shape, order and alignment: the same text or the same refusal."""
    dtype = np.dtype(draw.choice(DTYPES))
    shape, step, shift, kind = draw.byte() % 5, draw.choice((1, 2, -1, 3)), draw.byte() % 2, draw.byte() % 4
    errors = draw.choice(("strict", "replace", "ignore"))
    data = draw.rest()
    if dtype.hasobject:
        ids: Any = np.array([*data, None, 1.0][: 1 + len(data)] or [1], object)
    else:
        count = max(0, len(data) - shift) // dtype.itemsize
        ids = np.frombuffer(data, dtype, count, shift) if count else np.empty(0, dtype)
    if kind == 1:
        ids = ids.copy()
    elif kind == 2:
        ids = np.ma.masked_array(ids, mask=[at % 3 == 0 for at in range(len(ids))])
    elif kind == 3:
        ids = ids.tolist()
    if kind != 3:
        ids = ids[::step]
        if shape == 1 and len(ids) % 2 == 0:
            ids = ids.reshape(2, -1)
        elif shape == 2:
            ids = ids.reshape(1, -1)
        elif shape == 3 and len(ids):
            ids = ids[0]
        elif shape == 4 and len(ids) == 1:
            ids = ids.reshape(())
    results = []
    for core in pair:
        row = []
        for call in (core.decode_bytes, lambda ids, core=core: core.decode(ids, errors)):
            result, error = attempt(call, ids)
            row.append((plain(result), None if error is None else (type(error), str(error))))
        results.append(row)
    equal(results[0], results[1], ids)
