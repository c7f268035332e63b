"""Code that callers pass in and that runs within a call: it is refused, or what it changed is looked at again."""

from __future__ import annotations

import codecs
import gc
import signal

import pytest
from engine_cases import ENGINES, NO_BORROW, make

CALLS = {
    "feed": lambda engine: engine.feed(b"x"),
    "finish": lambda engine: engine.finish(),
    "reset": lambda engine: engine.reset(),
    "iterate": lambda engine: engine.iterate(iter([b"x"])),
    "batches": lambda engine: engine.batches(iter([b"x"])),
}


class Index:
    """A number that runs something when it is asked for."""

    def __init__(self, value, action):
        self.value, self.action = value, action

    def __index__(self):
        self.action()
        return self.value


@pytest.mark.parametrize("call", CALLS)
def test_an_error_handler_cannot_call_its_engine(backend, call):
    refused = []

    def handler(error):
        with pytest.raises(ValueError, match="^UTF8 engine already executing$"):
            CALLS[call](engine)
        refused.append(1)
        return "?", error.end

    codecs.register_error(f"streamcore.calls_{call}", handler)
    engine = backend.UTF8Engine(f"streamcore.calls_{call}")
    assert [*engine.feed(b"a\xffb\xe4"), *engine.finish()] == ["a?b", "?"]
    engine.reset()
    assert "".join(engine.iterate(iter([b"a\xffb\xe4"]))) == "a?b?"
    assert len(refused) == 4


@pytest.mark.parametrize("name", [name for name in ENGINES if name not in NO_BORROW])
def test_a_lent_fragment_that_is_dropped_by_the_engine_cannot_call_it(backend, name):
    messages = []

    class Dying(bytearray):
        def __del__(self):
            for call in CALLS.values():
                try:
                    call(engine)
                except ValueError as error:
                    messages.append(str(error))

    data = ENGINES[name][1]
    engine = make(backend, name, borrow=True)
    found = list(map(bytes, engine.iterate(Dying(part) for part in (data, b"1", data))))
    gc.collect()
    assert found == list(map(bytes, make(backend, name).iterate(iter([data, b"1", data]))))
    assert messages
    refused = (
        "already executing",
        "is driven by an iterator",
        "after finish()",
    )  # the last: once it has ended
    assert all(any(text in message for text in refused) for message in messages)


@pytest.mark.parametrize("name", ENGINES)
def test_a_signal_handler_cannot_call_the_engine_it_interrupts(backend, name):
    if not hasattr(signal, "SIGUSR1"):
        pytest.skip("this system has no SIGUSR1")
    refused = []

    def handler(*_):
        for call in CALLS.values():
            with pytest.raises(ValueError, match="already executing|driven by an iterator"):
                call(engine)
            refused.append(1)

    def fragments():
        for _ in range(3):
            signal.raise_signal(signal.SIGUSR1)
            yield ENGINES[name][1]

    engine = make(backend, name)
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        list(engine.iterate(fragments()))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(refused) == 3 * len(CALLS)


@pytest.mark.parametrize("answer", [1.0, None, "1"])
def test_an_error_handler_that_resumes_at_no_integer_is_a_type_error(backend, answer):
    codecs.register_error("streamcore.resumes_anywhere", lambda error: ("?", answer))
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        backend.UTF8Engine("streamcore.resumes_anywhere").feed(b"\xff")


def test_an_error_handler_that_says_it_moves_but_does_not_is_refused(backend):
    class Stuck(int):
        def __lt__(self, other):
            return False

        def __gt__(self, other):
            return True

        def __le__(self, other):
            return True

    codecs.register_error("streamcore.stuck", lambda error: ("?", Stuck(0)))
    with pytest.raises(IndexError, match="position 0 from error handler out of bounds"):
        backend.UTF8Engine("streamcore.stuck").feed(b"\xff")


def test_a_delimiter_that_changes_when_it_is_copied_is_kept_as_it_is(backend):
    class Delimiter(bytes):
        def __bytes__(self):
            return b""

        def __len__(self):
            return 0

    assert backend.DelimitedEngine(Delimiter(b"|")).feed(b"a|b|") == [b"a", b"b"]
    assert backend.DelimitedEngine(memoryview(b"|x|x")[::2]).feed(b"a||b||") == [b"a", b"b"]


def test_an_index_that_releases_the_view_it_indexes_is_refused(backend):
    view = backend.View(b"abc" * 1000)
    with pytest.raises(ValueError, match="released"):
        view[Index(0, view.release)]


@pytest.mark.parametrize("step", [1, 2, -1])
def test_a_slice_whose_index_releases_the_view_keeps_the_memory_itself(backend, step):
    data = b"abc" * 1000
    view = backend.View(data)
    assert view[Index(5, view.release) : None : step].tobytes() == data[5::step]
    with pytest.raises(ValueError, match="released"):
        view.tobytes()


def test_an_order_that_is_no_str_is_no_order(backend):
    class Order:
        def __eq__(self, other):
            view.release()
            return True

        __hash__ = None

    view = backend.View(b"abc")
    with pytest.raises(TypeError, match=r"^tobytes\(\) argument 'order' must be str or None, not Order$"):
        view.tobytes(Order())
    assert view.tobytes("A") == b"abc"


RING_CALLS = {
    "read": lambda ring, n: ring.read(n),
    "peek": lambda ring, n: ring.peek(n),
    "views": lambda ring, n: ring.views(n),
    "consume": lambda ring, n: ring.consume(n),
    "grant": lambda ring, n: ring.grant(n),
    "commit": lambda ring, n: ring.commit(n),
    "find": lambda ring, n: ring.find(b"a", n),
    "find its byte": lambda ring, n: ring.find(n),
}


@pytest.mark.parametrize("name", RING_CALLS)
def test_a_size_that_closes_the_ring_is_refused(backend, name):
    ring = backend.RingBuffer(1000)
    ring.write(b"abc" * 100)
    if name == "commit":
        ring.grant(10)
    with pytest.raises(ValueError, match="^RingBuffer is closed$"):
        RING_CALLS[name](ring, Index(1, ring.close))
    assert len(ring) == 0


def test_a_size_that_commits_the_grant_leaves_none_to_commit(backend):
    ring = backend.RingBuffer(1000)
    ring.grant(100)[:] = b"x" * 100
    with pytest.raises(BufferError, match="commit of 100 bytes without a grant"):
        ring.commit(Index(100, lambda: ring.commit(100)))
    assert ring.read() == b"x" * 100
    assert ring.free == 1000


def test_a_size_that_uses_up_the_spare_grant_gets_another(backend):
    ring = backend.RingBuffer(1000)
    ring.grant(100)
    ring.commit(0)  # its memory is kept for the next one

    def use():
        ring.grant(100)[:] = b"x" * 100
        ring.commit(100)

    lent = ring.grant(Index(100, use))
    lent[:] = b"y" * 100
    ring.commit(100)
    assert ring.read() == b"x" * 100 + b"y" * 100


def test_a_size_that_reads_what_is_held_leaves_the_rest(backend):
    ring = backend.RingBuffer(1000)
    ring.write(b"a" * 100)
    assert ring.read(Index(50, lambda: ring.read(80))) == b"a" * 20
    ring.write(b"b" * 100)
    with pytest.raises(ValueError, match="cannot consume 50 bytes, 20 are held"):
        ring.consume(Index(50, lambda: ring.read(80)))


def test_offsets_of_a_batch_are_copied_before_they_are_checked():
    import numpy as np

    from streamcore.batch import Batch

    offsets = np.array([0, 1, 2])
    batch = Batch(bytearray(b"ab"), offsets)
    offsets[:] = 99
    assert list(batch) == [b"a", b"b"]
    with pytest.raises(TypeError):
        Batch(2, [0, 2])


@pytest.mark.parametrize("count", [-1, 10**6])
def test_a_count_that_readinto_cannot_have_read_is_an_os_error(count):
    from streamcore import Lines

    class File:
        def readinto(self, buffer):
            return count

    with pytest.raises(OSError, match=rf"^readinto\(\) of \d+ bytes gave {count}"):
        list(Lines().stream(File()))
