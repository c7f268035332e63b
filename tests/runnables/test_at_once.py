"""RunnableParallel(ordered=False): chunks as they come, what is held, its ends, its errors."""

from __future__ import annotations

import asyncio
import pickle
import threading
from contextvars import ContextVar
from itertools import count

import pytest
from closing import aleave, leave
from loops import in_thread, run
from recorder import AsyncSource, Source, listed

from streamcore import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough, ops
from streamcore.testing import check_laws


def shout(chunks):
    for chunk in chunks:
        yield chunk.upper()


async def ashout(chunks):
    async for chunk in chunks:
        yield chunk.upper()


def whole(chunks):
    yield "".join(chunks)


async def awhole(chunks):
    yield "".join([chunk async for chunk in chunks])


def doubled(text):
    return text * 2


async def adoubled(text):
    return text * 2


Shout = RunnableGenerator(shout, ashout)
Whole = RunnableGenerator(whole, awhole)
Doubled = RunnableLambda(doubled, adoubled)
Passed = RunnablePassthrough()


def at_once(**branches):
    return RunnableParallel(**branches, ordered=False)


def of(chunks, key):
    return [chunk[key] for chunk in chunks if key in chunk]


def alisted(stage, source, config=None):
    async def main():
        chunks = await listed(stage.atransform(source, config))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return chunks

    return run(main())


# -- what it is


def test_a_keyword_whose_value_is_a_bool_is_the_option():
    assert RunnableParallel(a=doubled).ordered is True
    assert RunnableParallel(a=doubled, ordered=True).branches.keys() == {"a"}
    stage = RunnableParallel({"a b": Passed}, ordered=False)
    assert stage.ordered is False
    assert repr(stage) == "RunnableParallel({'a b': RunnablePassthrough()}, ordered=False)"
    assert repr(at_once(a=doubled)) == "RunnableParallel(a=RunnableLambda(doubled), ordered=False)"
    branch = RunnableParallel(ordered=doubled)
    assert (branch.ordered, branch.invoke("x")) == (True, {"ordered": "xx"})
    both = RunnableParallel({"ordered": doubled}, ordered=False)
    assert (both.ordered, both.invoke("x")) == (False, {"ordered": "xx"})
    with pytest.raises(TypeError, match="expected a Runnable"):
        RunnableParallel({"ordered": False})
    with pytest.raises(TypeError, match="expected a Runnable"):
        RunnableParallel(ordered=0)
    again = pickle.loads(pickle.dumps(at_once(a=doubled)))
    assert (again.ordered, list(again.stream("x"))) == (False, [{"a": "xx"}])
    assert Passed.assign(n=len, ordered=False).mapper.ordered is False


def test_all_forms_give_the_same_but_for_the_order():
    items = [str(number % 10) for number in range(100)]
    text = "".join(items)
    wanted = {"a": text, "b": text, "c": text * 2}
    stage = at_once(a=Shout, b=Whole, c=Doubled)
    assert stage.invoke(text) == wanted
    assert asyncio.run(stage.ainvoke(text)) == wanted
    assert stage.collect(stage.stream(text)) == wanted
    for config in ({"buffer_size": 1}, {"buffer_size": 2}, {"buffer_size": 7}, None):
        source, asource = Source(items), AsyncSource(items)
        for chunks in (list(stage.transform(source, config)), alisted(stage, asource, config)):
            assert of(chunks, "a") == items
            assert (of(chunks, "b"), of(chunks, "c")) == ([text], [text * 2])
        assert source.closed == asource.closed == 1
    assert run(listed(stage.astream("x"))) in [list(map(dict, p)) for p in permuted("x")]
    assert list(at_once().transform(Source("ab"))) == alisted(at_once(), AsyncSource("ab")) == []
    assert at_once(a=ops.map(str.upper)).collect(at_once(a=ops.map(str.upper)).transform("ab")) == {
        "a": ["A", "B"]
    }


def permuted(text):
    from itertools import permutations

    return permutations([{"a": text.upper()}, {"b": text}, {"c": text * 2}])


def test_chunks_come_as_they_are_there():
    go_on = threading.Event()

    def held_up(chunks):
        for chunk in chunks:
            go_on.wait(20)
            yield chunk

    stream = at_once(a=held_up, b=Shout).transform("xyz")
    assert [next(stream) for _ in range(3)] == [{"b": "X"}, {"b": "Y"}, {"b": "Z"}]
    go_on.set()
    assert list(stream) == [{"a": "x"}, {"a": "y"}, {"a": "z"}]

    async def main():
        go_on = asyncio.Event()

        async def held_up(chunks):
            async for chunk in chunks:
                await go_on.wait()
                yield chunk

        stream = at_once(a=held_up, b=Shout).atransform(AsyncSource("xyz"))
        assert [await anext(stream) for _ in range(3)] == [{"b": "X"}, {"b": "Y"}, {"b": "Z"}]
        go_on.set()
        assert await listed(stream) == [{"a": "x"}, {"a": "y"}, {"a": "z"}]

    run(main())


def test_nothing_begins_before_the_first_pull():
    before = threading.active_count()
    source = Source("ab")
    stream = at_once(a=Shout, b=Passed).transform(source)
    assert threading.active_count() == before
    stream.close()
    assert (source.pulled, source.closes, source.closed) == (0, 1, 1)


# -- what it holds


def test_a_slow_branch_or_consumer_holds_back_the_source():
    """At most ``buffer_size`` for the input of each branch, for what it gives, and what is in hands."""
    reached, go_on = threading.Event(), threading.Event()
    pulled = []

    def counted():
        for number in count():
            pulled.append(number)
            if number == 3:
                reached.set()
            yield str(number)

    def stuck(chunks):
        yield next(chunks)
        go_on.wait(20)
        yield from chunks

    stream = at_once(a=stuck, b=Shout).transform(counted(), {"buffer_size": 3})
    got = [next(stream) for _ in range(5)]
    assert len(of(got, "b")) >= 4
    assert len(pulled) == 4  # one that the stuck branch has, three that are held for it
    go_on.set()
    stream.close()
    assert len(pulled) <= 6

    async def main():
        source = AsyncSource(map(str, count()))
        stream = at_once(a=Shout, b=Passed).atransform(source, {"buffer_size": 3})
        await anext(stream)
        for _ in range(200):
            await asyncio.sleep(0)
        assert source.pulled <= 2 * 3 + 2
        await stream.aclose()
        assert source.closed == 1

    run(main())


def test_an_endless_source_with_a_branch_that_takes_all():
    """The form without an order of its own has it bounded; closing returns."""
    threads = threading.active_count()
    for slow in (Whole, RunnableGenerator(whole), Doubled):
        stage = at_once(a=slow, b=Shout)
        source = Source(map(str, count()))
        stream = stage.transform(source, {"buffer_size": 4})

        def taken(stream=stream):
            return [next(stream)["b"] for _ in range(50)]

        assert in_thread(taken)() == [str(number) for number in range(50)]
        assert source.pulled <= 50 + 4 + 4 + 2
        in_thread(stream.close)()
        assert (source.closes, source.closed) == (1, 1)
    assert threading.active_count() == threads

    async def main():
        source = AsyncSource(map(str, count()))
        stream = at_once(a=Whole, b=Shout).atransform(source, {"buffer_size": 4})
        assert [(await anext(stream))["b"] for _ in range(50)] == [str(number) for number in range(50)]
        await stream.aclose()
        assert (source.closes, source.closed) == (1, 1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_memory_is_flat():
    import tracemalloc

    at_once_stage = at_once(a=Shout, b=Passed)
    assigning = Passed.assign(
        loud=RunnableGenerator(lambda chunks: (chunk["text"].upper() for chunk in chunks))
    )
    for stage, chunk in ((at_once_stage, str), (assigning, lambda number: {"text": str(number)})):
        stream = stage.transform(map(chunk, count()), {"buffer_size": 8})
        tracemalloc.start()
        try:
            for _ in range(500):
                next(stream)
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            for _ in range(5000):
                next(stream)
            assert tracemalloc.get_traced_memory()[1] - before < 1 << 16
        finally:
            tracemalloc.stop()
            stream.close()


def test_branches_that_end_early_let_go_of_the_input():
    source = Source(map(str, count()))
    stage = at_once(a=ops.take(2), b=ops.take(5))
    chunks = list(stage.transform(source, {"buffer_size": 2}))
    assert (of(chunks, "a"), of(chunks, "b")) == (list("01"), list("01234"))
    assert source.closed == 1
    assert source.pulled <= 5 + 2

    source = AsyncSource(map(str, count()))
    chunks = alisted(stage, source, {"buffer_size": 2})
    assert (of(chunks, "a"), of(chunks, "b")) == (list("01"), list("01234"))
    assert source.closed == 1


def test_sync_branches_in_an_async_chain():
    """They pull an async source from threads of their own."""
    threads = threading.active_count()
    stage = (
        RunnableGenerator(ashout)
        | at_once(a=shout, b=whole)
        | RunnableGenerator(lambda chunks: map(dict, chunks))
    )
    source = AsyncSource("abcdef", waits=1)
    chunks = alisted(stage, source, {"buffer_size": 2})
    assert (of(chunks, "a"), of(chunks, "b")) == (list("ABCDEF"), ["ABCDEF"])

    async def main():
        source = AsyncSource(map(str, count()))
        stream = at_once(a=shout, b=whole).atransform(source, {"buffer_size": 2})
        assert [(await anext(stream))["a"] for _ in range(20)] == [str(number) for number in range(20)]
        await stream.aclose()
        assert source.closed == 1

    run(main())
    assert threading.active_count() == threads


def test_async_branches_in_a_sync_stream():
    chunks = list(at_once(a=RunnableGenerator(ashout), b=adoubled).transform(Source("abc")))
    assert (of(chunks, "a"), of(chunks, "b")) == (list("ABC"), ["abcabc"])


# -- ends

STAGES = [
    at_once(a=Shout, b=Passed),
    at_once(a=Whole, b=Doubled, c=Shout),
    at_once(a=ops.take(1), b=ops.take(2)),
    at_once(a=Shout, b=at_once(c=Shout, d=RunnableParallel(e=Whole, f=Passed))),
    (Shout | RunnableParallel(text=Passed)).assign(text=Passed, more=Passed, ordered=False),
]


def test_closed_or_dropped_anywhere():
    threads = threading.active_count()
    for stage in STAGES:
        for taken in (0, 1, 3, 30):
            for closing in (False, True):
                leave(stage, Source("abcdef"), taken, closing)
                assert threading.active_count() == threads
                run(aleave(stage, AsyncSource("abcdef"), taken, closing))


def test_cancelled_anywhere():
    async def main(stage, turns):
        source = AsyncSource("abc", waits=1)
        task = asyncio.create_task(listed(stage.atransform(source, {"buffer_size": 2})))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert source.closes == (1 if turns else 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for stage in STAGES:
        for turns in range(61):
            run(main(stage, turns))


def test_source_fails_after_all_that_came_before():
    for good in range(5):
        for stage in (at_once(a=Shout, b=Passed), at_once(a=Whole, b=Shout)):
            error = ConnectionResetError("broke")
            source, got = Source("abcd"[:good], error), []
            with pytest.raises(ConnectionResetError) as caught:
                got.extend(stage.transform(source))
            assert caught.value is error
            assert error.__notes__ == [f"in the source of {stage!r}"]
            assert source.closed == 1
            got = []
            with pytest.raises(ConnectionResetError):
                for chunk in stage.transform(Source("abcd"[:good], ConnectionResetError("broke"))):
                    got.append(chunk)
            assert "".join(of(got, "a" if stage.branches["a"] is Shout else "b")) == "ABCD"[:good]

            async def main(stage=stage, good=good):
                source, again = AsyncSource("abcd"[:good], ConnectionResetError("broke")), []
                with pytest.raises(ConnectionResetError) as caught:
                    async for chunk in stage.atransform(source, {"buffer_size": 2}):
                        again.append(chunk)  # noqa: PERF401
                assert caught.value.__notes__ == [f"in the source of {stage!r}"]
                assert source.closed == 1
                assert asyncio.all_tasks() == {asyncio.current_task()}
                return again

            again = run(main())
            assert sorted(map(str, again)) == sorted(map(str, got))


def test_a_source_that_fails_in_its_close():
    stage = at_once(a=Shout, b=Passed)
    got = []
    source = Source("ab", close_error=OSError("close"))
    with pytest.raises(OSError, match="close"):
        for chunk in stage.transform(source):
            got.append(chunk)  # noqa: PERF402
    assert len(got) == 4
    assert source.closed == 1

    async def main():
        source, again = AsyncSource("ab", close_error=OSError("close")), []
        with pytest.raises(OSError, match="close"):
            async for chunk in stage.atransform(source):
                again.append(chunk)  # noqa: PERF401
        assert (len(again), source.closed) == (4, 1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_a_branch_fails_and_the_others_are_closed_first():
    """Also those that take in all of an endless source."""
    threads = threading.active_count()
    seen = []

    def fails(chunks):
        for at, chunk in enumerate(chunks):
            if at == 3:
                raise KeyError("boom")
            yield chunk

    async def afails(chunks):
        at = 0
        async for chunk in chunks:
            if at == 3:
                raise KeyError("boom")
            at += 1
            yield chunk

    def watched(chunks):
        try:
            for _ in chunks:
                yield from ()
        finally:
            seen.append("closed")

    async def awatched(chunks):
        try:
            async for _ in chunks:
                for nothing in ():
                    yield nothing
        finally:
            seen.append("closed")

    branch = RunnableGenerator(fails, afails)
    stage = at_once(a=RunnableGenerator(watched, awatched), b=branch, c=Whole)
    source, got = Source(map(str, count())), []

    def consume():
        for chunk in stage.transform(source, {"buffer_size": 2}):
            got.append(chunk)  # noqa: PERF402

    with pytest.raises(KeyError) as caught:
        in_thread(consume)()
    assert seen == ["closed"]
    assert source.closed == 1
    assert caught.value.__notes__ == [f"in {branch!r}"]
    assert of(got, "b") == list("012")
    assert threading.active_count() == threads

    async def main():
        source, again = AsyncSource(map(str, count())), []
        with pytest.raises(KeyError) as caught:
            async for chunk in stage.atransform(source, {"buffer_size": 2}):
                again.append(chunk)  # noqa: PERF401
        assert seen == ["closed", "closed"]
        assert source.closed == 1
        assert caught.value.__notes__ == [f"in {branch!r}"]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return again

    assert run(main()) == [{"b": letter} for letter in "012"]


def test_a_branch_that_cannot_be_made():
    class Refuses(Runnable):
        def transform(self, input, config=None):
            raise KeyError("no")

        def stream(self, input, config=None):
            raise KeyError("no")

    stage = at_once(a=Shout, b=Refuses())
    source = Source("ab")
    with pytest.raises(KeyError):
        stage.transform(source)
    assert source.closed == 1
    with pytest.raises(KeyError):
        stage.stream("ab")
    with pytest.raises(KeyError):
        alisted(stage, AsyncSource("ab"))


def test_branches_see_the_context_and_the_keyword_arguments():
    variable = ContextVar("variable", default="outside")

    def looks(text, *, n=1):
        return f"{variable.get()}{n}"

    async def alooks(text, *, n=1):
        return f"{variable.get()}{n}"

    stage = at_once(a=RunnableLambda(looks, alooks))
    variable.set("inside")
    assert list(stage.stream("x", n=2)) == [{"a": "inside2"}]
    assert run(listed(stage.astream("x", n=3))) == [{"a": "inside3"}]
    assert list(stage.transform(["x"])) == [{"a": "inside1"}]
    variable.set("outside")


def test_laws():
    for stage, samples in (
        (at_once(a=Shout, b=Passed), ["", "ab", "words"]),
        (Shout | at_once(a=Shout, b=at_once(c=Shout)), ["ab"]),
        (at_once(a=doubled, b=Doubled), ["ab", ""]),
    ):
        laws = ("completeness", "fragmentation", "order", "cleanup")
        assert check_laws(stage, samples, cuts=5, laws=laws).total > 5
