"""An engine of tokens has one driver at a time, and nothing that runs within its calls may call it."""

from __future__ import annotations

import gc
import re

import pytest

from streamcore import BPE
from streamcore.vocab.gpt2 import load_gpt2

PATTERN = BPE.gpt2().pattern
BYTES = {bytes((value,)): value for value in range(256)}
KINDS = ["decoder", "decoder, ids far apart", "encoder", "encoder with NFC", "encoder of an unknown pattern"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def new(backend, kind):
    """Makes an engine; with it come fragments for it, and what they give one by one."""
    options = {"normalization": "NFC"} if "NFC" in kind else {}
    ranks = BYTES | ({b"far": 1 << 31} if "far" in kind else {})
    core = backend.BPECore(ranks, r"\S+|\s+" if "unknown" in kind else PATTERN, **options)
    return lambda: (backend.BPEDecoder if "decoder" in kind else backend.BPEEncoder)(core)


@pytest.fixture
def parts(kind):
    return [97, 98, 99] if "decoder" in kind else ["a b", " c", " d"]


def flat(items):
    return [each for item in items for each in (item if isinstance(item, str) else item.tolist())]


def calls(engine, part):
    return {
        "feed": lambda: engine.feed(part),
        "finish": engine.finish,
        "reset": engine.reset,
        "iterate": lambda: engine.iterate([part]),
    }


def name(engine):
    return type(engine).__name__


def assert_refused(engine, part, message):
    for call in calls(engine, part).values():
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            call()


def driven(engine):
    return f"{name(engine)} engine is driven by an iterator: exhaust or close it first"


def executing(engine):
    return f"{name(engine)} engine already executing"


def test_iterator_that_goes_on_has_the_engine_for_itself(new, parts):
    engine = new()
    wanted = flat(list(new().iterate(iter(parts))))
    run = engine.iterate(iter(parts))
    assert_refused(engine, parts[0], driven(engine))
    got = []
    for item in run:
        got.append(item)
        assert_refused(engine, parts[0], driven(engine))
    assert flat(got) == wanted
    with pytest.raises(ValueError, match=r"feed\(\) after finish\(\)"):
        engine.feed(parts[0])
    engine.reset()
    assert flat(list(engine.iterate(iter(parts)))) == wanted


@pytest.mark.parametrize("end", ["close", "drop"])
def test_closed_or_dropped_iterator_lets_the_engine_go(new, parts, end):
    engine = new()
    run = engine.iterate(iter(parts))
    if end == "close":
        run.close()
    else:
        del run
    engine.feed(parts[0])
    engine.reset()
    run = engine.iterate(iter(parts))
    next(run)
    if end == "close":
        run.close()
        run.close()
    else:
        del run
    engine.reset()
    wanted = flat(list(new().iterate(iter(parts))))
    assert flat(list(engine.iterate(iter(parts)))) == wanted


def test_iterator_whose_source_fails_lets_the_engine_go(new, parts):
    engine = new()

    def source():
        yield parts[0]
        raise OSError("lost")

    run = engine.iterate(source())
    with pytest.raises(OSError, match="lost"):
        list(run)
    engine.feed(parts[1])
    run = engine.iterate([object()])
    with pytest.raises(TypeError):
        list(run)
    engine.reset()


def test_call_of_iterate_that_fails_leaves_the_engine_free(new, parts):
    engine = new()
    with pytest.raises(TypeError, match="not iterable"):
        engine.iterate(5)
    engine.feed(parts[0])


def test_source_may_not_call_the_engine_that_pulls_it(new, parts):
    engine = new()
    seen = []

    class Source:
        def __iter__(self):
            assert_refused(engine, parts[0], executing(engine))
            return self

        def __next__(self):
            assert_refused(engine, parts[0], executing(engine))
            seen.append("next")
            if len(seen) > len(parts):
                raise StopIteration
            return parts[len(seen) - 1]

        def close(self):
            assert_refused(engine, parts[0], executing(engine))
            seen.append("close")

    wanted = flat(list(new().iterate(iter(parts))))
    assert flat(list(engine.iterate(Source()))) == wanted
    assert seen == ["next"] * 4 + ["close"]
    seen.clear()
    engine.reset()
    run = engine.iterate(Source())
    next(run)
    run.close()
    assert seen[-1] == "close"


class Foreign:
    """Ids, or text, whose own code calls something."""

    def __init__(self, part, call):
        self.part, self.call = part, call

    def tolist(self):
        self.call()
        return [self.part]


@pytest.mark.parametrize("hook", ["tolist", "iter", "index"])
def test_fragment_may_not_call_the_engine_that_takes_it(backend, hook):
    engine = backend.BPEDecoder(backend.BPECore(BYTES, PATTERN))
    called = []

    def call():
        assert_refused(engine, 97, executing(engine))
        called.append(hook)

    class Index:
        def __index__(self):
            call()
            return 97

    def ids():
        yield 97
        call()

    fragments = {"tolist": lambda: Foreign(97, call), "iter": ids, "index": lambda: [Index()]}
    assert engine.feed(fragments[hook]()) == ["a"]
    run = engine.iterate(iter([fragments[hook]()]))
    assert list(run) == ["a"]
    assert called == [hook] * 2


def test_bytes_of_a_class_with_odd_methods_are_what_they_hold(backend):
    engine = backend.BPEEncoder(backend.BPECore(BYTES, PATTERN))
    called = []

    class Text(bytes):
        def __radd__(self, other):
            called.append("radd")
            return "no bytes"

    assert flat(engine.feed(b"\xc3")) == []
    assert flat(engine.feed(Text(b"\xa9 x")) + engine.finish()) == [*b"\xc3\xa9 x"]
    assert called == []


def test_text_of_a_class_with_odd_methods_is_what_it_holds(backend):
    class Text(str):
        def encode(self, *_):
            return b"zz"

        def isascii(self):
            return True

        def __radd__(self, other):
            return b"no str"

        def __len__(self):
            return 1 << 40

        def __getitem__(self, _):
            return "z"

        def __iter__(self):
            return iter("zz")

    core = backend.BPECore(BYTES, PATTERN, {"<x>": 300})
    for text in ("añ", "a\ud83d", "ab"):
        wanted = core.encode_to_list(text)
        assert core.encode_to_list(Text(text)) == wanted
        engine = backend.BPEEncoder(core)
        assert flat(engine.feed("\ud800") + engine.feed(Text(text)) + engine.finish()) == core.encode_to_list(
            "\ud800" + text
        )
    assert core.encode_to_list("<x>", allowed_special=[Text("<x>")]) == [300]
    with pytest.raises(ValueError, match="'b' at character 1"):
        core.encode("abc", disallowed_special=[Text("b")])
    engine = backend.BPEDecoder(core, stop=[Text("bc")])
    assert engine.feed([97, 98, 99, 100]) == ["a"]
    assert (engine.stopped, type(engine.stopped)) == ("bc", str)
    assert core.encode_to_list(b"\xff", errors=Text("ignore")) == []
    assert backend.BPEDecoder(core, errors=Text("ignore")).feed([0xFF, 97]) == ["a"]


def test_finalizer_in_a_collection_may_not_change_what_a_call_works_on(backend):
    engine = backend.BPEDecoder(backend.BPECore(BYTES, PATTERN))
    errors = []

    class Garbage:
        def __init__(self):
            self.itself = self

        def __del__(self):
            try:
                engine.feed(98)
            except ValueError as error:
                errors.append(str(error))

    def ids():
        Garbage()
        gc.collect()
        yield 97

    assert engine.feed(ids()) == ["a"]
    assert errors == [executing(engine)]
    assert engine.offset == 1


def test_second_iterator_mixes_nothing(backend):
    ranks, pattern, special, *_ = load_gpt2()
    core = backend.BPECore(ranks, pattern, special)
    engine = backend.BPEDecoder(core)
    first = engine.iterate(iter(core.encode_to_list("one two three")))
    assert next(first) == "one"
    with pytest.raises(ValueError, match="driven by an iterator"):
        engine.iterate(iter(core.encode_to_list(" four")))
    assert list(first) == [" two", " three"]


def test_iterator_of_a_subclass_that_calls_before_it_is_made(backend):
    core = backend.BPECore(BYTES, PATTERN)

    class Early(backend.BPEEncoder):
        def __init__(self):
            def names():
                with pytest.raises((RuntimeError, AttributeError)):
                    self.feed("a")
                yield "<x>"

            super().__init__(core, disallowed_special=names())

    engine = Early()
    assert flat(engine.feed("a ") + engine.finish()) == [*b"a "]
