"""``check_laws`` passes what keeps the laws, in whatever form it is written."""

from __future__ import annotations

import threading

import pytest
from honest_stages import ITEMS, SAMPLES, Doubler, OnlyAsync, OnlySync, Splitter, closing

from streamcore import (
    UTF8,
    Delimited,
    FixedSize,
    JSONLines,
    Lines,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    Words,
    ops,
)
from streamcore.testing import check_laws

NUMBERS = [[], [1], [1, 2, 2, 3]]


class OnlyStream(Runnable[str, str]):
    def stream(self, input, config=None):
        for word in input.split():
            yield word + " "


class OnlyInvoke(Runnable[str, str]):
    def invoke(self, input, config=None):
        return input.upper()


class OnlyAinvoke(Runnable[str, str]):
    async def ainvoke(self, input, config=None):
        return input.upper()


class OnlyAstream(Runnable[str, str]):
    async def astream(self, input, config=None):
        for word in input.split():
            yield word + " "


class Delegates(Runnable[str, str]):
    def transform(self, input, config=None):
        yield from input

    _chunks_are = "pieces"


class ClosesItself(Splitter):
    def transform(self, input, config=None):
        try:
            yield from super().transform(input)
        finally:
            if hasattr(input, "close"):
                input.close()


def twice(item):
    return 2 * item


class GivesAMap(Doubler):
    def transform(self, input, config=None):
        return map(twice, input)


class SplitsByFind(Splitter):
    """The text once, in another way."""

    def transform(self, input, config=None):
        held = []
        for chunk in input:
            start = 0
            while (end := chunk.find("\n", start)) >= 0:
                yield "".join([*held, chunk[start:end]])
                held.clear()
                start = end + 1
            held.append(chunk[start:])
        if last := "".join(held):
            yield last


def doubled(chunks):
    for chunk in chunks:
        yield from (2 * character for character in chunk)


CLASSES = [Splitter(), OnlySync(), OnlyAsync(), ClosesItself(), SplitsByFind(), closing(1, 1), Delegates()]
WAITING = [OnlyStream(), OnlyInvoke(), OnlyAinvoke(), OnlyAstream(), RunnableLambda(len)]
OPERATORS = [
    ops.map(str),
    ops.filter(bool),
    ops.take(2),
    ops.skip(1),
    ops.take_while(bool),
    ops.enumerate(),
    ops.distinct(),
    ops.flat_map(lambda item: [item, item]),
    ops.buffer(2),
    ops.group(2),
    ops.map(str) | ops.buffer(2) | ops.take(3),
]


def test_classes_of_users_that_take_chunks_pass():
    for runnable in CLASSES:
        checked = check_laws(runnable, SAMPLES, cuts=10).checked
        assert all(
            checked[law] for law in ("fragmentation", "eagerness", "cost", "memory", "cleanup", "errors")
        )
    for runnable in (Doubler(), GivesAMap()):
        assert check_laws(runnable, ITEMS).checked["eagerness"]


def test_classes_of_users_that_wait_pass():
    for runnable in WAITING:
        check_laws(runnable, ["", "one two", "three"])
        check_laws(runnable | RunnablePassthrough(), ["", "one two"], cuts=5)


def test_operators_pass_with_items_and_with_text_item_by_item():
    for operator in OPERATORS:
        check_laws(operator, NUMBERS)
        assert check_laws(operator, ["", "a", "abc"]).checked["errors"]
    check_laws(ops.map(bytes.upper), [b"ab"])


def test_stages_pass():
    for stage in (FixedSize(3), Lines(), Delimited(b"\n"), Words(), UTF8(), Lines() | ops.map(bytes.strip)):
        check_laws(stage, [b"a b\n", b"", b"\nc d"], cuts=10)
    check_laws(JSONLines(), [b"1\n[2]\n", b'{"a": 3}\n'], cuts=10)


def test_runnables_made_of_others_pass():
    stage = RunnableGenerator(doubled)
    for runnable in (
        stage,
        stage.bind(),
        stage.with_retry(),
        stage.with_fallbacks([stage]),
        stage | RunnablePassthrough(),
        Splitter() | ops.map(str.upper),
        RunnableParallel(a=stage, b=RunnablePassthrough()),
        RunnableBranch((str.isalpha, OnlyInvoke()), stage),
    ):
        check_laws(runnable, ["ab", "c d"], cuts=10, flow=None)


def test_memory_of_other_threads_is_none_of_the_stage():
    stopped = threading.Event()
    held = []

    def hold():
        while not stopped.is_set():
            held.append(bytes(1000))
            stopped.wait(1e-4)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert check_laws(Splitter(), SAMPLES, laws=("memory",)).checked["memory"] == 2
    finally:
        stopped.set()
        thread.join()


@pytest.mark.parametrize("samples", [[], [""], [[]], [b""], [{"a": 1}]])
def test_samples_that_show_nothing_are_no_failure(samples):
    check_laws(OnlySync() if samples != [{"a": 1}] else RunnablePassthrough(), samples)
