"""Foreign code in the middle of a call: every public method of every class, called from all that can run code.

A hook runs while a call converts an argument, pulls a source, calls back or drops something, and calls any method of
the same object, from the same thread or another one, or raises. Expected: no fault (the point under sanitizers), the
same outcome on both backends wherever both run the hook, a call that was refused changed nothing, and the object still
works, or is in error for good.
"""

from __future__ import annotations

import ctypes
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from backends import Backend
from foreign import FORMS, Hook, Oops, may_raise
from native_classes import CLASSES, RUNNING, Box, Call, Native, tried


@dataclass
class Outcome:
    """All that can be told apart after a call with a hook in it."""

    fired: bool
    inside: list[Any]  # what the call that the hook made gave
    outside: Any
    state: Any
    rest: Any
    again: Any


@dataclass(frozen=True)
class Point:
    """Where a hook runs: in an argument of a call, or in a callback."""

    call: Call
    argument: int
    form: str  # or the callback's name

    def __str__(self) -> str:
        where = "callback" if self.argument < 0 else f"argument {self.argument}"
        return f"{self.call.name}({where}: {self.form})"

    def act(self, box: Box, hook: Hook) -> Any:
        arguments = [argument.make() for argument in self.call.arguments]
        if self.argument < 0:
            box.hooks[self.form] = hook
        else:
            kind = self.call.arguments[self.argument].kind
            arguments[self.argument] = FORMS[kind][self.form](arguments[self.argument], hook)
        return self.call.run(box, *arguments)


def points(native: Native) -> Iterator[Point]:
    for call in native.calls:
        for name in native.callbacks:
            yield Point(call, -1, name)
        for place, argument in enumerate(call.arguments):
            for form in FORMS[argument.kind]:
                yield Point(call, place, form)


class Worker:
    """Another thread, that calls one thing after the other: to begin one for each costs more than the calls."""

    def __init__(self) -> None:
        self.actions: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.done: SimpleQueue[None] = SimpleQueue()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self) -> None:
        while True:
            self.actions.get()()
            self.done.put(None)


WORKERS: list[Worker] = []  # those that wait for work


def in_thread(action: Callable[[], None]) -> None:
    worker = WORKERS.pop() if WORKERS else Worker()
    worker.actions.put(action)
    try:
        worker.done.get(timeout=60)
    except Empty:
        pytest.fail("a call from another thread waits for the one that waits for it")
    WORKERS.append(worker)


def outcome(
    native: Native, backend: Backend, point: Point, action: Callable[[Box], Any] = lambda box: None
) -> Outcome:
    """The call with a hook that does ``action``; what it raises goes where the hook was called."""
    box = native.boxed(backend)
    inside: list[Any] = []
    hook = Hook(lambda: inside.append(action(box)))
    outside = tried(lambda: point.act(box, hook))
    hook.armed = False  # what follows is without
    subject = box.subject
    rest = [
        tried(lambda look=look: look(subject))  # type: ignore[misc]
        for look in (native.look, native.rest, native.again)
    ]
    return Outcome(hook.fired, inside, outside, *rest)


def raising(box: Box) -> None:
    raise Oops("of a hook")


def calling(inner: Call, threaded: bool) -> Callable[[Box], Any]:
    def here(box: Box) -> Any:
        return tried(lambda: inner.plainly(box))

    def there(box: Box) -> Any:
        inside: list[Any] = []
        in_thread(lambda: inside.append(here(box)))
        return inside

    return there if threaded else here


@pytest.fixture(scope="module")
def backends() -> tuple[Backend, Backend]:
    return Backend("native"), Backend("pure")


@pytest.fixture(params=CLASSES, ids=lambda native: native.label)
def native(request: pytest.FixtureRequest) -> Native:
    return request.param


def inner_calls(native: Native) -> list[Call]:
    calls = [call for call in native.calls if not native.inside or call.method in native.inside]
    if any(call.method == "iterate" for call in native.calls):
        calls += RUNNING
    return calls


def actions(native: Native, point: Point, threaded: bool) -> Iterator[tuple[str, Callable[[Box], Any]]]:
    for inner in inner_calls(native):
        yield inner.name, calling(inner, threaded)
    if may_raise(point.form) and not threaded:
        yield "raises", raising


def comparable(native: Native, point: Point, inner: str) -> bool:
    """Whether the twin has to say the same: not where the last reference to a source goes, which is its own affair."""
    return inner not in native.unlike and point.form != "source.__del__"


def wrong_at(
    native: Native, backends: tuple[Backend, Backend], point: Point, threaded: bool
) -> Iterator[str]:
    """What is wrong with a hook at this point, in words."""
    quiet = [outcome(native, backend, point) for backend in backends]
    if quiet[0].fired == quiet[1].fired and quiet[0] != quiet[1]:
        yield f"{point}: {quiet[0]} natively, {quiet[1]} in the twin"
    if not any(one.fired for one in quiet):
        return
    for name, action in actions(native, point, threaded):
        made = [outcome(native, backend, point, action) for backend in backends]
        where = f"{point}, in it {name}"
        if made[0].fired == made[1].fired and made[0] != made[1] and comparable(native, point, name):
            yield f"{where}: {made[0]} natively, {made[1]} in the twin"
        for backend, one, without in zip(backends, made, quiet, strict=True):
            if one.again != without.again:
                yield f"{where}: {backend.name} is not as new after it: {one.again}, not {without.again}"
            refused = "already executing" in str(one.inside)
            if refused and (one.outside, one.rest) != (without.outside, without.rest):
                yield f"{where}: {backend.name} refused it, but gives {one}, not {without}"


def differing(native: Native, backends: tuple[Backend, Backend], threaded: bool) -> Iterator[str]:
    for point in points(native):
        yield from wrong_at(native, backends, point, threaded)


@pytest.mark.parametrize("threaded", [False, True], ids=["here", "thread"])
def test_hooks(native: Native, backends: tuple[Backend, Backend], threaded: bool) -> None:
    wrong = list(differing(native, backends, threaded))
    assert not wrong, f"{len(wrong)} cases:\n" + "\n".join(wrong[:30])


class Garbage:
    """In a cycle, so that the collector drops it; then the hook runs, a few times."""

    def __init__(self, action: Callable[[], None], times: int) -> None:
        self.me = self
        self.action, self.times = action, times

    def __del__(self) -> None:
        if self.times:
            Garbage(self.action, self.times - 1)
        self.action()


def with_collections(run: Callable[[], Any], action: Callable[[], None]) -> Any:
    """The collector runs in the middle of the call, and with it what it drops."""
    before = gc.get_threshold()
    Garbage(action, 3)
    gc.set_threshold(1, 1 << 20, 1 << 20)
    try:
        return run()
    finally:
        gc.set_threshold(*before)


def with_profiler(run: Callable[[], Any], action: Callable[[], None]) -> Any:
    """A profiler is told of every call and return."""

    def profile(*event: object) -> None:
        sys.setprofile(None)
        action()

    sys.setprofile(profile)
    try:
        return run()
    finally:
        sys.setprofile(None)


def with_signal(run: Callable[[], Any], action: Callable[[], None]) -> Any:
    """A signal came in the middle of something, and its handler runs as soon as Python looks."""
    before = signal.signal(signal.SIGUSR1, lambda *_: action())
    PENDING(signal.SIGUSR1)
    try:
        return run()
    finally:
        signal.signal(signal.SIGUSR1, before)


PENDING = (
    ctypes.PyDLL(None)["raise"] if hasattr(signal, "SIGUSR1") else None
)  # unlike Python's, does not look at once


@pytest.mark.parametrize("way", [with_collections, with_profiler, with_signal])
@pytest.mark.parametrize("line", CLASSES, ids=lambda line: line.label)
def test_hooks_of_the_interpreter(line: Native, way: Callable[..., Any]) -> None:
    """When they run is the interpreter's affair: no fault, and afterwards the object is as good as new."""
    if way is with_signal and PENDING is None:
        pytest.skip("this platform has no signals for users")
    backend = Backend("native")
    assert backend.View  # skips where the extensions are not built, before a finalizer would
    for call in line.calls:
        for inner in line.calls:
            disturbed(line, backend, way, call, inner)


def disturbed(line: Native, backend: Backend, way: Callable[..., Any], call: Call, inner: Call) -> None:
    new = line.boxed(backend)
    expected = tried(lambda: line.again(new.subject))
    box = line.boxed(backend)
    arguments = [argument.make() for argument in call.arguments]
    tried(lambda: way(lambda: call.run(box, *arguments), lambda: tried(lambda: inner.plainly(box))))
    tried(lambda: line.look(box.subject))
    tried(lambda: line.rest(box.subject))
    assert tried(lambda: line.again(box.subject)) == expected, (call.name, inner.name)
