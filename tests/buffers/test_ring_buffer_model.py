"""RingBuffer against a plain bytearray in random walks, with views held all along (T6).

``STREAMCORE_TEST_SCALE`` multiplies the number of walks: 1 takes some seconds.
"""

from __future__ import annotations

import os
import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))

# Around the sizes where something changes: nothing, gathered (63 | 64), half of an object, a slab (16 KiB).
sizes = st.one_of(
    st.integers(0, 10), st.integers(55, 70), st.integers(100, 300), st.sampled_from([16383, 16384, 20000])
)
counts = st.one_of(st.just(-1), st.none(), sizes)


def content(size: int, seed: int) -> bytes:
    """Bytes that differ from those of other seeds, from few letters, so that ``find`` finds things."""
    return bytes(random.Random(seed).choices(b"ab\n", k=size))


class AgainstBytearray(RuleBasedStateMachine):
    """Every operation on the buffer and on the model; whatever was handed out is looked at after each."""

    views = Bundle("views")

    def __init__(self, backend) -> None:
        super().__init__()
        self.backend = backend
        self.model = bytearray()
        self.kept: list[tuple[object, bytes]] = []
        self.grant: memoryview | None = None
        self.granted = 0
        self.stale: list[memoryview] = []

    @initialize(capacity=st.one_of(st.integers(1, 400), st.integers(400, 60_000)))
    def make(self, capacity: int) -> None:
        self.capacity = capacity
        self.ring = self.backend.RingBuffer(capacity)

    @property
    def room(self) -> int:
        return self.capacity - len(self.model) - self.granted

    def keep(self, shown: object, expected: bytes) -> None:
        if len(self.kept) >= 60:
            del self.kept[::2]
        self.kept.append((shown, expected))

    # -- in

    @rule(
        size=sizes,
        seed=st.integers(0, 1 << 30),
        kind=st.sampled_from(["bytes", "bytearray", "view", "memoryview"]),
    )
    def write(self, size: int, seed: int, kind: str) -> None:
        data = content(size, seed)
        kinds = {"bytes": bytes, "bytearray": bytearray, "view": self.backend.View, "memoryview": memoryview}
        given = kinds[kind](data)
        taken = self.ring.write(given)
        assert taken == min(size, self.room)
        self.model += data[:taken]
        if kind == "bytearray":
            given[:] = b"#" * size
            given.append(0)

    @rule(size=sizes, seed=st.integers(0, 1 << 30), start=st.integers(0, 300), stop=st.integers(0, 300))
    def write_part(self, size: int, seed: int, start: int, stop: int) -> None:
        data = content(size, seed)
        part = self.backend.View(data)[start : size - stop]
        taken = self.ring.write(part)
        assert taken == min(len(part), self.room)
        self.model += bytes(part)[:taken]
        self.keep(part, bytes(part))

    @precondition(lambda self: self.grant is None and self.room)
    @rule(size=sizes.filter(bool))
    def take_grant(self, size: int) -> None:
        self.grant = self.ring.grant(size)
        self.granted = min(size, self.room)
        assert len(self.grant) == self.granted
        self.grant[:] = b"?" * self.granted

    @precondition(lambda self: self.grant is not None)
    @rule(data=st.data(), seed=st.integers(0, 1 << 30), hold=st.sampled_from(["nothing", "slice", "release"]))
    def commit(self, data, seed: int, hold: str) -> None:
        size = data.draw(st.one_of(st.just(self.granted), st.integers(0, self.granted)), label="commit")
        filled = content(size, seed)
        self.grant[:size] = filled
        if hold == "slice":
            self.stale = [*self.stale[-3:], self.grant[:]]
        elif hold == "release":
            self.grant.release()
        self.ring.commit(size)
        self.model += filled
        self.grant = None
        self.granted = 0

    # -- out

    @rule(n=counts)
    def read(self, n: int | None) -> None:
        expected = bytes(self.model[: None if n in (-1, None) else n])
        got = self.ring.read(n)
        assert got == expected
        assert type(got) is bytes
        del self.model[: len(expected)]
        self.keep(got, expected)

    @rule(n=counts)
    def peek(self, n: int | None) -> None:
        expected = bytes(self.model[: None if n in (-1, None) else n])
        assert self.ring.peek(n) == expected

    @rule(data=st.data())
    def consume(self, data) -> None:
        n = data.draw(st.one_of(st.integers(0, len(self.model)), st.just(len(self.model))), label="consume")
        self.ring.consume(n)
        del self.model[:n]

    @rule(size=sizes)
    def readinto(self, size: int) -> None:
        target = bytearray(size)
        taken = min(size, len(self.model))
        assert self.ring.readinto(target) == taken
        assert target == self.model[:taken] + bytes(size - taken)
        del self.model[:taken]

    @rule()
    def clear(self) -> None:
        self.ring.clear()
        self.model.clear()

    @rule(target=views, n=counts)
    def take_views(self, n: int | None):
        expected = bytes(self.model[: None if n in (-1, None) else n])
        views = self.ring.views(n)
        assert b"".join(views) == expected
        for view in views:
            self.keep(view, bytes(view))
        return multiple(*((view, bytes(view)) for view in views))

    @rule(target=views, source=views, start=st.integers(-5, 5), stop=st.integers(-70, 70))
    def slice_view(self, source: tuple[object, bytes], start: int, stop: int):
        view, expected = source
        derived = view[start:stop], expected[start:stop]
        self.keep(*derived)
        self.keep(memoryview(view)[::2], expected[::2])
        return derived

    @rule(source=views)
    def write_view(self, source: tuple[object, bytes]) -> None:
        view, expected = source
        taken = self.ring.write(view)
        assert taken == min(len(expected), self.room)
        self.model += expected[:taken]

    # -- seen from outside

    @rule(
        sub=st.one_of(
            st.text("ab\n", max_size=9).map(str.encode), st.sampled_from([97, b"\n\n", b"ab" * 70])
        ),
        start=st.one_of(st.none(), st.integers(-50, 400)),
        end=st.one_of(st.none(), st.integers(-50, 400)),
    )
    def find(self, sub: bytes | int, start: int | None, end: int | None) -> None:
        assert self.ring.find(sub, start, end) == self.model.find(sub, start, end)

    @rule(data=st.data())
    def find_what_is_there(self, data) -> None:
        start = data.draw(st.integers(0, len(self.model)), label="start")
        sub = bytes(
            self.model[start : start + data.draw(st.sampled_from([1, 5, 64, 200, 20000]), label="length")]
        )
        assert self.ring.find(sub) == self.model.find(sub)
        assert self.ring.find(sub, start) == self.model.find(sub, start)

    @rule(count=st.integers(0, 30))
    def let_go(self, count: int) -> None:
        del self.kept[:count]

    @invariant()
    def what_was_handed_out_never_changes(self) -> None:
        for part in self.stale:  # whoever kept a slice of a grant goes on writing
            part[:] = b"!" * len(part)
        for shown, expected in self.kept:
            assert bytes(shown) == expected

    @invariant()
    def the_numbers_add_up(self) -> None:
        assert len(self.ring) == len(self.model)
        assert self.ring.free == self.room

    def teardown(self) -> None:
        if hasattr(self, "ring"):
            self.ring.close()
            self.what_was_handed_out_never_changes()


def test_random_walks(backend) -> None:
    run_state_machine_as_test(
        lambda: AgainstBytearray(backend),
        settings=settings(
            max_examples=max(1, int(50 * SCALE)),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def test_the_model_notices_a_view_that_changes(backend) -> None:
    # The walk itself must be able to fail: here a view is swapped for one of memory that changes.
    machine = AgainstBytearray(backend)
    machine.make(100)
    memory = bytearray(b"abc")
    machine.keep(memoryview(memory), b"abc")
    machine.what_was_handed_out_never_changes()
    memory[0] = 0
    try:
        machine.what_was_handed_out_never_changes()
    except AssertionError:
        return
    raise AssertionError("a changed view went unnoticed")
