"""Small random vocabularies, text and cuts for the streaming encoder, and its ids as a list."""

from __future__ import annotations

from streamcore.vocab.encodings import CL100K, GPT2, O200K, R50K

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace("{1,3}", "")
PATTERNS = {"r50k": R50K, "gpt2": GPT2, "cl100k": CL100K, "llama3": LLAMA3, "qwen": QWEN, "o200k": O200K}
BYTES = {bytes((value,)): value for value in range(256)}
END = "<|endoftext|>"
SPECIAL = {END: 60000, "<|end": 60001, "<<": 60002}
# what the patterns tell apart: blanks, line ends, contractions, capitals, letters without case, marks, digits, symbols
# fmt: off
PARTS = [
    "a", "b", "s", "t", "d", "l", "ll", "ve", "re", "the", "hello", "ing", "A", "B", "S", "HTML", "\u4e2d",
    "\u6587", "\u4e2dABC", "\u0301", "\u01c5", "\u02b0", "\u00aa", "\u017f", "\u00e9", "'", "''", "'s",
    "'LL", "'v", "'l", "1", "22", "333", "\u0661", ".", ",", "/", "//", "--", "!", "\U0001f600",
    "\U00020000", "\U0001d400", "\x1c", "<", "<|", "<|end", "<<", " ", "  ", "    ", "\t", "\n", "\r",
    "\r\n", "\n   ", "\u3000", "\u00a0", "\x85", END,
]
# fmt: on


def merges_of(rng, parts, count):
    """Tokens made as training makes them: from neighbours in text."""
    tokens = dict(BYTES)
    pieces = [part.encode() for part in parts]
    while len(tokens) < 256 + count:
        text = b"".join(rng.choices(pieces, k=3))
        start = rng.randrange(len(text))
        token = text[start : start + rng.randrange(2, 9)]
        tokens.setdefault(token, len(tokens))
    return tokens


def random_core(backend, rng, **more):
    """A small random vocabulary, often one whose tokens merging cannot all make."""
    ranks = merges_of(rng, PARTS, rng.randrange(1, 150))
    if rng.random() < 0.6:
        # what training gives: each token is two earlier ones
        ranks = dict(BYTES)
        tokens = list(ranks)
        pieces = [part.encode() for part in PARTS]
        for _ in range(rng.randrange(1, 150)):
            piece = b"".join(rng.choices(pieces, k=2))
            start = rng.randrange(len(piece))
            left = piece[start : start + rng.randrange(1, 4)]
            token = rng.choice([left, rng.choice(tokens[-30:])]) + rng.choice(
                [piece[-1:], rng.choice(tokens[-30:])]
            )
            if token not in ranks and len(token) < 20:
                ranks[token] = len(ranks)
                tokens.append(token)
    options = {"normalization": rng.choice([None, None, "NFC"])}
    if rng.random() < 0.4:
        pairs = [
            (token[:i], token[i:])
            for token in ranks
            for i in range(1, len(token))
            if token[:i] in ranks and token[i:] in ranks
        ]
        rng.shuffle(pairs)
        options |= {"merges": pairs[: rng.randrange(len(pairs) + 1)], "whole_pieces": rng.random() < 0.5}
    return backend.BPECore(ranks, rng.choice(list(PATTERNS.values())), SPECIAL, **options, **more)


def random_text(rng, longest=60):
    parts = rng.choice([PARTS, rng.sample(PARTS, 3), rng.sample(PARTS, 8)])
    return "".join(rng.choices(parts, k=rng.randrange(1, longest)))


def random_cuts(rng, text):
    if rng.random() < 0.3:
        return [text[i : i + 1] for i in range(len(text))]
    at = sorted(rng.choices(range(len(text) + 1), k=rng.choice([1, 2, 5, len(text)])))
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]


def flat(arrays):
    return [number for ids in arrays for number in ids.tolist()]


def stream(backend, core, fragments, **options):
    """All ids of a stream, and its error."""
    engine = backend.BPEEncoder(core, **options)
    got = []
    try:
        for fragment in fragments:
            got += flat(engine.feed(fragment))
        got += flat(engine.finish())
        if engine.error is not None:
            raise engine.error
    except ValueError as error:
        return got, str(error)
    return got, None
