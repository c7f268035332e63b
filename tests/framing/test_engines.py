"""``FixedSize``, ``Lines`` and ``Delimited`` as engines: what they cut, when, and what bad input does to them."""

from __future__ import annotations

import array
import os
import subprocess
import sys

import pytest

from streamcore.errors import IncompleteItem, InvalidEncoding, ItemTooLarge

ENGINES = ["FixedSizeEngine", "LinesEngine", "DelimitedEngine"]


def make(backend, name, **options):
    arguments = {"FixedSizeEngine": (4,), "DelimitedEngine": (b"|",), "LinesEngine": ()}[name]
    return getattr(backend, name)(*arguments, **options)


def plain(items):
    return [item if isinstance(item, (bytes, str)) else bytes(item) for item in items]


def cut(engine, *cuts):
    return plain(engine.iterate(iter(cuts)))


def every_split(data, parts=2):
    """All ways to cut ``data`` in two or three."""
    for first in range(len(data) + 1):
        if parts == 2:
            yield data[:first], data[first:]
        else:
            for second in range(first, len(data) + 1):
                yield data[:first], data[first:second], data[second:]


# ---- lines ----


@pytest.mark.parametrize(
    ("data", "newline", "expected"),
    [
        (b"", "lf", []),
        (b"\n", "lf", [b""]),
        (b"a", "lf", [b"a"]),
        (b"a\n", "lf", [b"a"]),
        (b"a\nb", "lf", [b"a", b"b"]),
        (b"a\r\nb\r\n", "lf", [b"a", b"b"]),
        (b"a\rb\r\r\nc\r", "lf", [b"a\rb\r", b"c\r"]),
        (b"\r\n\n\r\n", "lf", [b"", b"", b""]),
        (b"a\rb\r\r\nc\r", "universal", [b"a", b"b", b"", b"c"]),
        (b"a\n\rb", "universal", [b"a", b"", b"b"]),
        (b"\r", "universal", [b""]),
    ],
)
def test_lines_end_where_newline_says_at_every_split(backend, data, newline, expected):
    for parts in every_split(data, 3):
        assert cut(backend.LinesEngine(newline=newline), *parts) == expected
        kept = cut(backend.LinesEngine(newline=newline, keepends=True), *parts)
        assert b"".join(kept) == data
        assert [line.rstrip(b"\r\n") for line in kept] == [line.rstrip(b"\r\n") for line in expected]


def test_a_line_keeps_its_end(backend):
    engine = backend.LinesEngine(keepends=True, newline="universal")
    assert cut(engine, b"a\r\nb\rc\nd") == [b"a\r\n", b"b\r", b"c\n", b"d"]


def test_nothing_but_cr_and_lf_ends_a_line(backend):
    text = "a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029i"
    for newline in ("lf", "universal"):
        engine = backend.LinesEngine(newline=newline, as_=str)
        assert cut(engine, f"{text}\n{text}".encode()) == [text, text]


def test_a_line_over_many_fragments_keeps_its_start(backend):
    assert cut(backend.LinesEngine(), b"start ", b"of ", b"a ", b"", b"line\nnext") == [
        b"start of a line",
        b"next",
    ]


def test_crlf_astride_two_fragments_ends_one_line(backend):
    for newline in ("lf", "universal"):
        assert cut(backend.LinesEngine(newline=newline), b"a\r", b"\nb\r", b"", b"\n") == [b"a", b"b"]


def test_a_line_is_emitted_as_soon_as_no_later_input_can_change_it(backend):
    engine = backend.LinesEngine(newline="universal")
    assert engine.feed(b"a\r") == [b"a"]  # an LF that follows belongs to it, but changes nothing
    assert engine.feed(b"\n") == []
    assert engine.feed(b"\n") == [b""]
    engine = backend.LinesEngine(newline="universal", keepends=True)
    assert engine.feed(b"a\r") == []
    assert engine.feed(b"") == []
    assert engine.feed(b"\n") == [b"a\r\n"]
    assert engine.feed(b"b\r") == []
    assert engine.feed(b"c") == [b"b\r"]
    assert engine.feed(b"\r") == []
    assert engine.finish() == [b"c\r"]


def test_a_long_line_in_single_bytes_is_one_item(backend):
    line = bytes(range(11, 256)) * 400
    cuts = [line[i : i + 1] for i in range(len(line))]
    assert cut(backend.LinesEngine(), *cuts, b"\nnext") == [line, b"next"]
    assert cut(backend.DelimitedEngine(b"\x00\x01\x02"), *cuts, b"\x00\x01\x02") == [line]


@pytest.mark.parametrize("length", [1, 12, 100, 5000])
def test_many_lines_beyond_every_internal_block(backend, length):
    lines = [b"%d" % n * (length // 3 + n % 3) for n in range(300_000 // length)]
    data = b"\n".join(lines) + b"\n"
    assert cut(backend.LinesEngine(), data) == lines
    assert cut(backend.LinesEngine(), data[:100_001], data[100_001:]) == lines
    assert cut(backend.LinesEngine(), data.replace(b"\n", b"\r\n")) == lines
    assert cut(backend.DelimitedEngine(b"\n"), data) == lines
    assert cut(backend.DelimitedEngine(b"\n\r"), data.replace(b"\n", b"\n\r")) == lines
    assert cut(backend.DelimitedEngine(b"\n", b"\r\n"), data) == lines
    for engine in (backend.LinesEngine(), backend.LinesEngine(keepends=True), backend.DelimitedEngine(b"\n")):
        batches = list(engine.batches(iter([data[:70_001], data[70_001:]])))
        assert sum(map(len, batches)) == len(lines)
        assert [line.rstrip(b"\n") for batch in batches for line in batch] == lines
        assert b"".join(batch.data for batch in batches).replace(b"\n", b"") == data.replace(b"\n", b"")


# ---- delimiters ----


@pytest.mark.parametrize(
    ("delimiters", "data", "expected"),
    [
        ([b"|"], b"a|b||c|", [b"a", b"b", b"", b"c"]),
        ([b"\r\n\r\n"], b"a\r\n\r\n\r\nb\r\n\r", [b"a", b"\r\nb\r\n\r"]),
        ([b"aa"], b"aaaaa", [b"", b"", b"a"]),
        ([b"aab"], b"aaab|aab", [b"a", b"|"]),
        ([b"ab", b"abcd"], b"1ab2abcd3abc", [b"1", b"2", b"3", b"c"]),
        ([b"abcd", b"bc"], b"xabcyabcd", [b"xa", b"y"]),
        ([b"ab", b"bcd"], b"xabcd", [b"x", b"cd"]),
        ([b"a", b"aaab"], b"aaaaaabc", [b"", b"", b"", b"", b"c"]),
        ([b"|", b"|", bytearray(b"-")], b"1|2-3", [b"1", b"2", b"3"]),
        (["\u2028".encode(), "\u2029".encode()], "é\u2028ü\u2029".encode(), ["é".encode(), "ü".encode()]),
    ],
)
def test_the_first_and_longest_delimiter_wins_at_every_split(backend, delimiters, data, expected):
    for parts in every_split(data, 3):
        assert cut(backend.DelimitedEngine(*delimiters), *parts) == expected
        assert b"".join(cut(backend.DelimitedEngine(*delimiters, keep=True), *parts)) == data


def test_an_item_is_known_before_its_delimiter_is(backend):
    engine = backend.DelimitedEngine(b"ab", b"abcd")
    assert engine.feed(b"xab") == [b"x"]
    assert engine.feed(b"c") == []
    assert engine.feed(b"e|ab") == [b"ce|"]
    assert engine.feed(b"cdy") == []
    assert engine.finish() == [b"y"]
    engine = backend.DelimitedEngine(b"ab", b"abcd", keep=True)
    assert engine.feed(b"xab") == []
    assert engine.feed(b"ce") == [b"xab"]
    assert engine.finish() == [b"ce"]


def test_long_and_self_similar_delimiters(backend):
    delimiter = b"a" * 500 + b"b"
    data = b"a" * 1200 + b"b" + b"a" * 499 + b"b" + b"a" * 500 + b"bend"
    expected = [b"a" * 700, b"a" * 499 + b"b", b"end"]
    assert cut(backend.DelimitedEngine(delimiter), data) == expected
    assert cut(backend.DelimitedEngine(delimiter), *(data[i : i + 1] for i in range(len(data)))) == expected


# ---- fixed sizes ----


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 7, 8, 9])
def test_fixed_sizes_around_the_size(backend, length):
    data = bytes(range(length))
    expected = [data[i : i + 4] for i in range(0, length, 4)]
    for parts in every_split(data, 3):
        assert cut(backend.FixedSizeEngine(4), *parts) == expected


def test_fixed_sizes_are_emitted_when_they_are_full(backend):
    engine = backend.FixedSizeEngine(2)
    assert plain(engine.feed(b"abc")) == [b"ab"]
    assert plain(engine.feed(b"d")) == [b"cd"]
    assert engine.finish() == []


# ---- limits and unfinished input ----


def test_an_item_of_max_size_passes_and_its_end_does_not_count(backend):
    assert cut(backend.LinesEngine(max_size=3), b"abc\r\nabc\nabc") == [b"abc"] * 3
    assert cut(backend.LinesEngine(max_size=3, keepends=True), b"abc\r", b"\n") == [b"abc\r\n"]
    assert cut(backend.DelimitedEngine(b"----", max_size=3), b"abc---", b"-abc") == [b"abc", b"abc"]


@pytest.mark.parametrize("name", ["LinesEngine", "DelimitedEngine"])
def test_an_item_over_max_size_is_an_error_with_numbers_and_place(backend, name):
    end = b"\n" if name == "LinesEngine" else b"|"
    data = b"ab" + end + b"abcd" + end + b"x"
    for parts in every_split(data, 3):
        engine = make(backend, name, max_size=3)
        items = engine.iterate(iter(parts))
        assert next(items) == b"ab"
        with pytest.raises(ItemTooLarge) as caught:
            next(items)
        assert (caught.value.size, caught.value.limit, caught.value.offset) == (4, 3, 3)
        assert caught.value.__notes__ == [f"in {name[:-6]}, at byte 3 of its input"]
        assert list(items) == []


def test_the_error_comes_when_the_limit_is_passed_not_when_the_item_ends(backend):
    engine = backend.LinesEngine(max_size=3)
    assert engine.feed(b"abc\r") == []
    with pytest.raises(ItemTooLarge):
        engine.feed(b"d")
    engine = backend.DelimitedEngine(b"--", max_size=3, on_oversize="truncate")
    assert engine.feed(b"abc-") == []
    assert engine.feed(b"d") == [b"abc"]
    assert engine.feed(b"ef--g") == []
    assert engine.finish() == [b"g"]


def test_oversized_items_are_skipped_and_counted(backend):
    engine = backend.LinesEngine(max_size=3, on_oversize="skip")
    assert engine.feed(b"abcd\nab\nabc") == [b"ab"]
    assert engine.feed(b"defgh\nok\n") == [b"ok"]
    assert engine.skipped == 2
    engine.reset()
    assert engine.skipped == 0


def test_a_truncated_str_ends_at_a_character(backend):
    engine = backend.LinesEngine(max_size=4, on_oversize="truncate", as_=str)
    assert cut(engine, "aé€\nab\u20acd\n".encode()) == ["aé", "ab"]


@pytest.mark.parametrize(("on_incomplete", "expected"), [("emit", [b"ab", b"c"]), ("drop", [b"ab"])])
def test_input_that_ends_inside_an_item(backend, on_incomplete, expected):
    assert cut(backend.LinesEngine(on_incomplete=on_incomplete), b"ab\nc") == expected
    assert cut(backend.DelimitedEngine(b"|", on_incomplete=on_incomplete), b"ab|c") == expected
    assert cut(backend.FixedSizeEngine(2, on_incomplete=on_incomplete), b"abc") == expected


@pytest.mark.parametrize("name", ENGINES)
def test_input_that_ends_inside_an_item_is_an_error_on_demand(backend, name):
    data = {"FixedSizeEngine": b"abcdef", "LinesEngine": b"abc\nef", "DelimitedEngine": b"abc|ef"}[name]
    engine = make(backend, name, on_incomplete="raise")
    assert len(engine.feed(data)) == 1
    with pytest.raises(IncompleteItem, match="input ended inside an item: 2 bytes at offset 4") as caught:
        engine.finish()
    assert caught.value.__notes__ == [f"in {name[:-6]}, at byte 6 of its input"]
    assert list(make(backend, name, on_incomplete="raise").iterate(iter([data[:4]])))


# ---- item types and ownership ----


def test_invalid_utf8_is_an_error_at_its_offset(backend):
    data = b"ok\nab\xffcd\n"
    for parts in every_split(data, 3):
        engine = backend.LinesEngine(as_=str)
        items = engine.iterate(iter(parts))
        assert next(items) == "ok"
        with pytest.raises(InvalidEncoding) as caught:
            next(items)
        assert (caught.value.offset, caught.value.object, caught.value.reason) == (
            5,
            b"\xff",
            "invalid start byte",
        )


def test_a_character_astride_fragments_is_whole(backend):
    data = "é€🙂\n".encode()
    for parts in every_split(data, 3):
        assert cut(backend.LinesEngine(as_=str), *parts) == ["é€🙂"]


@pytest.mark.parametrize("name", ENGINES)
def test_views_show_their_bytes_and_cannot_be_written(backend, name):
    fragments = [b"abc\nabc|abcdabcd", b"ef\n|"]
    views = list(make(backend, name, as_="view").iterate(iter(fragments)))
    assert [view.tobytes() for view in views] == cut(make(backend, name, as_=bytes), *fragments)
    assert all(memoryview(view).readonly and view.nbytes == len(view.tobytes()) for view in views)


@pytest.mark.parametrize("name", ENGINES)
def test_mutable_fragments_may_change_after_they_were_handed_in(backend, name):
    data = bytearray(b"abc|abc\nabc|")
    engine = make(backend, name, as_="view")
    expected = cut(make(backend, name), bytes(data))
    items = engine.iterate(iter([data]))
    first = next(items)
    data[:] = b"x" * len(data)
    assert plain([first, *items]) == expected


def test_read_only_views_of_something_mutable_are_copied(backend):
    data = bytearray(b"abc\nabc")
    items = backend.LinesEngine(as_="view").feed(memoryview(data).toreadonly())
    data[:3] = b"xyz"
    assert plain(items) == [b"abc"]


def test_borrowed_fragments_are_not_copied(backend):
    data = bytearray(b"abc\nabc\n")
    items = backend.LinesEngine(as_="view", borrow=True).feed(data)
    data[:3] = b"xyz"  # which the caller promised not to do
    assert plain(items) == [b"xyz", b"abc"]


def test_a_view_keeps_its_fragment_alive(backend):
    views = backend.FixedSizeEngine(3).feed(b"".join([b"abc", b"def"]))
    assert plain(views) == [b"abc", b"def"]


def test_wide_items_are_taken_as_their_bytes(backend):
    numbers = array.array("I", [1, 2, 3])
    assert cut(backend.FixedSizeEngine(12), numbers) == [numbers.tobytes()]
    assert cut(backend.FixedSizeEngine(6), memoryview(b"abcdef").cast("B", (2, 3))) == [b"abcdef"]


# ---- bad input ----


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("fragment", ["text", 5, None, [1], 1.5])
def test_what_is_not_bytes_like_is_a_type_error_and_nothing_is_taken_in(backend, name, fragment):
    engine = make(backend, name)
    assert engine.feed(b"ab") == []
    with pytest.raises(TypeError, match=f"{name[:-6]} takes bytes-like data, got {type(fragment).__name__}"):
        engine.feed(fragment)
    assert engine.offset == 2
    assert plain(engine.feed(b"cd") + engine.finish()) == [b"abcd"]


@pytest.mark.parametrize("name", ENGINES)
def test_a_strided_view_is_a_buffer_error(backend, name):
    with pytest.raises(BufferError, match="takes C-contiguous data"):
        make(backend, name).feed(memoryview(b"abcdef")[::2])


BAD_OPTIONS = [
    ("FixedSizeEngine", (0,), {}, ValueError, "size must be positive, got 0"),
    ("FixedSizeEngine", (-1,), {}, ValueError, "size must be positive, got -1"),
    ("FixedSizeEngine", (1.0,), {}, TypeError, "size must be an int, got float"),
    ("FixedSizeEngine", (None,), {}, TypeError, "size must be an int, got NoneType"),
    ("FixedSizeEngine", ("4",), {}, TypeError, "size must be an int, got str"),
    ("FixedSizeEngine", (True,), {}, TypeError, "size must be an int, got bool"),
    ("FixedSizeEngine", (1 << 80,), {}, ValueError, "size must be at most"),
    (
        "FixedSizeEngine",
        (1,),
        {"as_": int},
        ValueError,
        "as_ must be bytes, str or 'view', got <class 'int'>",
    ),
    ("LinesEngine", (), {"newline": "cr"}, ValueError, "newline must be 'lf' or 'universal', got 'cr'"),
    ("LinesEngine", (), {"newline": None}, ValueError, "newline must be 'lf' or 'universal', got None"),
    ("LinesEngine", (), {"max_size": 0}, ValueError, "max_size must be positive, got 0"),
    ("LinesEngine", (), {"max_size": 2.5}, TypeError, "max_size must be an int, got float"),
    ("LinesEngine", (), {"as_": "bytes"}, ValueError, "as_ must be bytes, str or 'view', got 'bytes'"),
    (
        "LinesEngine",
        (),
        {"on_oversize": "drop"},
        ValueError,
        "on_oversize must be 'raise', 'skip' or 'truncate', got 'drop'",
    ),
    (
        "LinesEngine",
        (),
        {"on_incomplete": 1},
        ValueError,
        "on_incomplete must be 'emit', 'drop' or 'raise', got 1",
    ),
    ("DelimitedEngine", (), {}, TypeError, "Delimited takes at least one delimiter"),
    ("DelimitedEngine", (b"a", b""), {}, ValueError, "a delimiter must not be empty"),
    ("DelimitedEngine", ("a",), {}, TypeError, "a delimiter must be bytes, got str"),
    ("DelimitedEngine", (97,), {}, TypeError, "a delimiter must be bytes, got int"),
    ("DelimitedEngine", (None,), {}, TypeError, "a delimiter must be bytes, got NoneType"),
]


@pytest.mark.parametrize(("name", "arguments", "options", "error", "message"), BAD_OPTIONS)
def test_a_bad_option_is_refused_with_its_value(backend, name, arguments, options, error, message):
    with pytest.raises(error) as caught:
        getattr(backend, name)(*arguments, **options)
    assert str(caught.value).startswith(message)


# ---- the engine's states ----


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_starts_again_after_reset(backend, name):
    engine = make(backend, name)
    expected = plain(engine.feed(b"ab|\ncdefgh") + engine.finish())
    for _ in range(2):
        assert engine.finish() == []
        with pytest.raises(ValueError, match=r"feed\(\) after finish\(\): call reset\(\) first"):
            engine.feed(b"x")
        with pytest.raises(ValueError, match=r"iterate\(\) after finish\(\): call reset\(\) first"):
            engine.iterate(iter([]))
        engine.reset()
        assert engine.offset == 0
        assert plain(engine.feed(b"ab|\ncdefgh") + engine.finish()) == expected
        assert engine.offset == 10


def test_items_come_before_the_error_and_the_error_comes_until_reset(backend):
    engine = backend.LinesEngine(max_size=3)
    assert engine.error is None
    assert engine.feed(b"a\nb\nabcd\nc\n") == [b"a", b"b"]
    error = engine.error
    assert isinstance(error, ItemTooLarge)
    for call in (engine.finish, lambda: engine.feed(b"x\n"), engine.finish, lambda: engine.iterate(iter([]))):
        with pytest.raises(ItemTooLarge) as caught:
            call()
        assert caught.value is error
    engine.reset()
    assert engine.error is None
    assert engine.feed(b"x\n") == [b"x"]


@pytest.mark.parametrize("name", ENGINES)
def test_feed_and_iterate_may_follow_each_other(backend, name):
    engine = make(backend, name)
    items = [*engine.feed(b"ab|\ncde"), *engine.iterate(iter([b"f|\n", b"gh"]))]
    assert plain(items) == cut(make(backend, name), b"ab|\ncdef|\ngh")


MEMORY_SCRIPT = """
import _testcapi
from streamcore._native.framing.delimited import DelimitedEngine
from streamcore._native.framing.fixed_size import FixedSizeEngine
from streamcore._native.framing.lines import LinesEngine
kinds = {
    "fixed": lambda: FixedSizeEngine(5),
    "lines": lambda: LinesEngine(newline="universal"),
    "text": lambda: LinesEngine(as_=str),
    "delimited": lambda: DelimitedEngine(b"--", b"--+", b"||"),
}
data = [b"a line\\nand --", bytearray(b"- another" * 9), b"\\r\\nthe--+ next\\n||x\\r", b"\\n", b"y" * 300, b"end"]
failed = 0

def survive(call, *args):
    global failed
    _testcapi.set_nomemory(number, number + 1)
    try:
        return call(*args)
    except MemoryError:
        pass
    finally:
        _testcapi.remove_mem_hooks()
    failed += 1
    return call(*args)

def plain(items):
    return [item if isinstance(item, str) else bytes(item) for item in items]

for name, make in kinds.items():
    engine = make()
    expected = plain([item for fragment in data for item in engine.feed(fragment)] + engine.finish())
    for number in range(60):
        failed, engine, items = 0, make(), []
        for fragment in data:
            items += survive(engine.feed, fragment)
        items += survive(engine.finish)
        assert plain(items) == expected, (name, number, plain(items))
        stream, items = make().iterate(iter(data)), []
        while (item := survive(next, stream, None)) is not None:
            items.append(item)
        assert plain(items) == expected, (name, "iterate", number, plain(items))
        if not failed:
            break
    assert number > 0, "no allocation was made to fail"
    print(name, number, flush=True)
"""


@pytest.mark.fails_allocations
def test_every_allocation_that_fails_is_survived_and_nothing_is_lost(backend):
    if backend.name == "pure":
        pytest.skip("Python code itself cannot go on after each failed allocation")
    assert backend.LinesEngine  # skips, or fails, where the extensions are missing
    pytest.importorskip("_testcapi")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.count("\n") == 4
