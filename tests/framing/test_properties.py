"""Every way to cut the input gives what slow, obvious oracles give, on both backends: items, errors and limits.

``STREAMCORE_TEST_SCALE`` multiplies the number of random fragmentations: 1 takes some seconds, 10 makes over 100,000.
"""

from __future__ import annotations

import os
import random

import pytest
from framing_oracle import Ends, Oracle, check, delimiter_ends, line_ends, random_data, random_policies

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20240229"))

TEXT = [b"a", b"bc", b"\n", b"\r", b"\r\n", b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x99\x82"]


@pytest.mark.parametrize("newline", ["lf", "universal"])
@pytest.mark.parametrize("keepends", [False, True])
def test_lines_equal_the_oracle_however_the_input_is_cut(backend, newline, keepends):
    rng = random.Random(SEED)
    for _ in range(int(250 * SCALE)):
        policies = random_policies(rng)
        data = random_data(rng, [*TEXT, *([b"\xff", b"\xc3"] if rng.random() < 0.2 else [])])
        engine = backend.LinesEngine(newline=newline, keepends=keepends, **policies)
        check(engine, "Lines", data, Oracle(keep=keepends, **policies), line_ends(data, newline), rng)


@pytest.mark.parametrize("keepends", [False, True])
def test_long_and_short_lines_in_turn_equal_the_oracle(backend, keepends):
    # The native engine finds long lines one by one and short ones in blocks, and changes over as they come.
    rng = random.Random(SEED)
    for _ in range(int(60 * SCALE)):
        policies = random_policies(rng) | {"as_": bytes, "max_size": rng.choice((None, None, 40, 200))}
        data = b"".join(
            b"x" * int(width * rng.random()) + rng.choice((b"\n", b"\r\n", b"\n\n", b"\r"))
            for width in rng.choices((3, 30, 300), k=5)
            for _ in range(rng.choice((1, 20, 70)))
        )
        engine = backend.LinesEngine(keepends=keepends, **policies)
        check(engine, "Lines", data, Oracle(keep=keepends, **policies), line_ends(data, "lf"), rng)


DELIMITERS = [
    (b"|",),
    (b"|", b";", b","),
    tuple(b"0123456789"[i : i + 1] for i in range(10)),
    (b"ab",),
    (b"aa",),
    (b"aab",),
    (b"aabaaab",),
    (b"ab", b"abcd"),
    (b"ab", b"abcd", b"ce", b"bcc"),
    (b"a", b"aaab"),
    (b"b", b"abbbc"),
    (b"abc", b"bc", b"c"),
    (b"a", b"ab", b"abc", b"abca", b"b"),
    (b"\r\n\r\n", b"\n\n", b"\r\r"),
    ("é".encode(), "€".encode()),
    (b"\x00",),
]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("delimiters", DELIMITERS, ids=repr)
def test_delimited_equals_the_oracle_however_the_input_is_cut(backend, delimiters, keep):
    rng = random.Random(SEED)
    letters = sorted({bytes([byte]) for d in delimiters for byte in d} | {b"x"})
    for _ in range(int(60 * SCALE)):
        policies = random_policies(rng)
        data = random_data(rng, [*delimiters, *letters])
        engine = backend.DelimitedEngine(*delimiters, keep=keep, **policies)
        check(engine, "Delimited", data, Oracle(keep=keep, **policies), delimiter_ends(data, delimiters), rng)


def test_random_sets_of_delimiters_equal_the_oracle(backend):
    rng = random.Random(SEED)
    for _ in range(int(400 * SCALE)):
        size = rng.choice((1, 2, 3, 4))
        delimiters = tuple(
            {bytes(rng.choice(b"abc") for _ in range(rng.randint(1, 6))) for _ in range(rng.randint(1, 4))}
        )
        keep, policies = rng.random() < 0.5, random_policies(rng)
        data = bytes(rng.choice(b"abcx"[:size]) for _ in range(rng.choice((3, 10, 60, 400))))
        engine = backend.DelimitedEngine(*delimiters, keep=keep, **policies)
        check(engine, "Delimited", data, Oracle(keep=keep, **policies), delimiter_ends(data, delimiters), rng)


def test_fixed_sizes_equal_slices_however_the_input_is_cut(backend):
    rng = random.Random(SEED)
    for _ in range(int(400 * SCALE)):
        size = rng.choice((1, 2, 3, 7, 64))
        policies = random_policies(rng)
        options = {"on_incomplete": policies["on_incomplete"], "as_": policies["as_"]}
        data = random_data(rng, [b"a", b"bcd", "é".encode(), b"\x00"])
        whole = len(data) // size
        ends = Ends([((i + 1) * size, (i + 1) * size) for i in range(whole)], len(data))
        engine = backend.FixedSizeEngine(size, **options)
        check(engine, "FixedSize", data, Oracle(**options), ends, rng)
