"""A slow decoder made from the Unicode standard's table 3-7, and random bytes and cuts for it."""

from __future__ import annotations

from streamcore.errors import InvalidEncoding

# ---- the oracle: table 3-7, one character at a time ----

TABLE = [
    [(0x00, 0x7F)],
    [(0xC2, 0xDF), (0x80, 0xBF)],
    [(0xE0, 0xE0), (0xA0, 0xBF), (0x80, 0xBF)],
    [(0xE1, 0xEC), (0x80, 0xBF), (0x80, 0xBF)],
    [(0xED, 0xED), (0x80, 0x9F), (0x80, 0xBF)],
    [(0xEE, 0xEF), (0x80, 0xBF), (0x80, 0xBF)],
    [(0xF0, 0xF0), (0x90, 0xBF), (0x80, 0xBF), (0x80, 0xBF)],
    [(0xF1, 0xF3), (0x80, 0xBF), (0x80, 0xBF), (0x80, 0xBF)],
    [(0xF4, 0xF4), (0x80, 0x8F), (0x80, 0xBF), (0x80, 0xBF)],
]


def piece_at(data, at):
    """The next character (as text), or the next bad piece (as a reason), and its size."""
    best = 0
    for row in TABLE:
        size = 0
        while size < len(row) and at + size < len(data) and row[size][0] <= data[at + size] <= row[size][1]:
            size += 1
        if size == len(row):
            point = data[at] if size == 1 else data[at] & (0x7F >> size)
            for byte in data[at + 1 : at + size]:
                point = point << 6 | byte & 0x3F
            return chr(point), None, size
        best = max(best, size)
    if not best:
        return None, "invalid start byte", 1
    reason = "unexpected end of data" if at + best == len(data) else "invalid continuation byte"
    return None, reason, best


def decode(data, errors):
    """Text, and (offset, reason, bad bytes) of the error that ends it."""
    text, at = "", 0
    while at < len(data):
        character, reason, size = piece_at(data, at)
        if character is not None:
            text += character
        elif errors == "strict":
            return text, (at, reason, data[at : at + size])
        elif errors == "replace":
            text += "\ufffd"
        elif errors == "backslashreplace":
            text += "".join(f"\\x{b:02x}" for b in data[at : at + size])
        at += size
    return text, None


# ---- data and cuts ----

ALPHABETS = [
    "abc xyz",
    "aé ü",
    "aжв ",
    "漢字 a",
    "😀a é漢",
    "漢字かな",
    "бвг",
    "\x00\x7f\x80\u07ff\u0800\uffff\U00010000",
]
LIKELY = [
    0x41,
    0x80,
    0x8F,
    0x90,
    0x9F,
    0xA0,
    0xBF,
    0xC0,
    0xC2,
    0xDF,
    0xE0,
    0xE2,
    0xED,
    0xEF,
    0xF0,
    0xF1,
    0xF4,
    0xF5,
    0xFF,
]


def random_data(rnd):
    alphabet = rnd.choice([*ALPHABETS, "".join(ALPHABETS)])
    data = bytearray("".join(rnd.choices(alphabet, k=rnd.choice([0, 1, 2, 5, 20, 33, 64, 70, 130]))).encode())
    for _ in range(rnd.choice([0, 0, 0, 1, 1, 2, 5, 40]) if data else 0):
        data[rnd.randrange(len(data))] = rnd.choice(LIKELY)
    if rnd.random() < 0.05:
        data = bytearray(rnd.randbytes(100))
    return bytes(data[: rnd.randint(0, len(data))] if rnd.random() < 0.3 else data)


def random_cuts(rnd, whole):
    if rnd.random() < 0.1:
        return [whole[i : i + 1] for i in range(len(whole))]
    places = sorted(rnd.randint(0, len(whole)) for _ in range(rnd.choice([0, 1, 1, 2, 5, 20])))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


def run(engine, fragments, feed):
    chunks, failure = [], None
    try:
        if feed:
            for fragment in fragments:
                chunks += engine.feed(fragment)
            chunks += engine.finish()
            engine.finish()
        else:
            for chunk in engine.iterate(iter(fragments)):
                chunks.append(chunk)
    except InvalidEncoding as error:
        failure = error.offset, error.reason, error.object
    assert "" not in chunks
    return "".join(chunks), failure
