"""Items passed on: from thread to thread, and through a chain of stages."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Any

from . import inputs
from .case import Case, Side, Work, drained

__all__ = ["CASES"]

CAPACITY = 1000
MANY = 100  # items of a call


def through(produce: Callable[[], object], consume: Callable[[], list[Any]]) -> list[Any]:
    """What ``consume`` gives, while ``produce`` runs in a thread."""
    thread = Thread(target=produce, daemon=True)  # Ctrl-C must not wait for it
    thread.start()
    taken = consume()
    thread.join()
    return taken


def passed(items: list[Any], make: Callable[[], tuple[Callable[[Any], object], Callable[[], Any]]]) -> Side:
    """One item a call; ``make()`` gives ``put`` and ``get``."""

    def run() -> list[Any]:
        put, get = make()
        return through(lambda: deque(map(put, items), 0), lambda: [get() for _ in items])

    return Side(run, run)


def channel(scale: float) -> Work:
    items: list[Any] = inputs.prose(int(200_000 * scale)).split()
    work = Work(len(items), floor=Side(lambda: same_thread(items), list))

    def of_channel(kind: Any) -> Side:
        def make() -> tuple[Any, Any]:
            made = kind(CAPACITY)
            return made.put, made.get

        return passed(items, make)

    def of_simple_queue() -> tuple[Any, Any]:
        made: queue.SimpleQueue[Any] = queue.SimpleQueue()
        return made.put, made.get

    work.add_ours("channel.channel", "Channel", of_channel)
    work.add("queue.SimpleQueue", lambda: passed(items, of_simple_queue))
    work.add("queue.Queue", lambda: of_channel(queue.Queue))
    return work


def same_thread(items: list[Any]) -> None:
    held: deque[Any] = deque()
    deque(map(held.append, items), 0)
    for _ in items:
        held.popleft()


def added(lists: list[list[Any]]) -> None:
    held: list[Any] = []
    for each in lists:
        held += each


def many(scale: float) -> Work:
    items: list[Any] = inputs.prose(int(600_000 * scale)).split()
    lists = [items[at : at + MANY] for at in range(0, len(items), MANY)]
    work = Work(len(items), floor=Side(lambda: added(lists), list))

    def of_channel(kind: Any) -> Side:
        def run() -> list[Any]:
            made = kind(CAPACITY)

            def take() -> list[Any]:
                taken: list[Any] = []
                while len(taken) < len(items):
                    taken += made.get_many()
                return taken

            return through(lambda: deque(map(made.put_many, lists), 0), take)

        return Side(run, run)

    def of_simple_queue() -> Side:
        def run() -> list[Any]:
            made: queue.SimpleQueue[Any] = queue.SimpleQueue()
            return through(
                lambda: deque(map(made.put, lists), 0), lambda: [item for _ in lists for item in made.get()]
            )

        return Side(run, run)

    work.add_ours("channel.channel", "Channel", of_channel)
    work.add("queue.SimpleQueue of lists", of_simple_queue)
    return work


def one(chunks: Iterable[int]) -> Iterator[int]:
    for chunk in chunks:
        yield chunk + 1


def two(chunks: Iterable[int]) -> Iterator[int]:
    for chunk in chunks:
        yield chunk * 2


def three(chunks: Iterable[int]) -> Iterator[int]:
    for chunk in chunks:
        yield chunk - 1


def chain(scale: float) -> Work:
    """The stages of the package come with one core, that which was chosen; the other one is missing."""
    from .. import BACKEND, RunnableGenerator

    count = int(4000 * scale)
    work = Work(count, floor=drained(lambda: iter(range(count))))
    chained = RunnableGenerator(one) | RunnableGenerator(two) | RunnableGenerator(three)
    work.add(BACKEND, lambda: drained(lambda: chained.transform(iter(range(count)))))
    other = "pure" if BACKEND == "native" else "native"
    work.missing[other] = f"STREAMCORE_BACKEND={other} streamcore bench chain"
    work.add("generators by hand", lambda: drained(lambda: three(two(one(iter(range(count)))))))

    def by_langchain() -> Side:
        from langchain_core.runnables import RunnableGenerator as Stage

        stages: Any = Stage(one) | Stage(two) | Stage(three)
        return drained(lambda: stages.transform(iter(range(count))))

    work.add("langchain-core", by_langchain)
    return work


CASES = (
    Case(
        "channel",
        "words from thread to thread, one a call, time of the processor",
        "ns an item",
        ("native", "pure", "queue.SimpleQueue", "queue.Queue"),
        "a deque in one thread",
        channel,
        cpu=True,
    ),
    Case(
        "channel-many",
        "words from thread to thread, 100 a call, time of the processor",
        "ns an item",
        ("native", "pure", "queue.SimpleQueue of lists"),
        "the lists added to one list",
        many,
        cpu=True,
    ),
    Case(
        "chain",
        "three generators in a chain, per chunk",
        "ns an item",
        ("native", "pure", "generators by hand", "langchain-core"),
        "the source alone",
        chain,
    ),
)
