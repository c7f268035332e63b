"""``ops.catch``: which errors end the stream, what comes instead, and that all is closed once."""

from __future__ import annotations

import asyncio
import gc
import itertools
import pickle

import pytest
from loops import run, turns
from recorder import AsyncSource, Source, listed

from streamcore import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, ops
from streamcore.testing import LAWS, check_laws


def inverse(number):
    return 1 / number


def handler(error):
    return [type(error).__name__, "more"]


async def slow_handler(error):
    await turns(1)
    return [type(error).__name__, "more"]


async def agiven(error):
    for item in type(error).__name__, "more":
        await turns(1)
        yield item


def nothing(error):
    return None


WAYS = [(None, []), (handler, ["KeyError", "more"]), (nothing, []), (lambda error: iter("ab"), ["a", "b"])]
ASYNC_WAYS = [*WAYS, (slow_handler, ["KeyError", "more"]), (agiven, ["KeyError", "more"])]


def test_an_error_is_the_end_or_something_else_comes():
    for count in range(4):
        for way, more in WAYS:
            source = Source(range(count), KeyError("x"))
            assert list(ops.catch(KeyError, way).transform(source)) == [*range(count), *more]
            assert source.closes == 1
        for way, more in ASYNC_WAYS:
            asource = AsyncSource(range(count), KeyError("x"), waits=1)
            assert run(listed(ops.catch(KeyError, way).atransform(asource))) == [*range(count), *more]
            assert asource.closes == 1
    for way in handler, nothing, None:
        assert ops.catch(LookupError, way).invoke([1, 2]) == [1, 2]
    for way in slow_handler, agiven:
        broken = RunnableGenerator(fails_after([1, 2]))
        assert (broken | ops.catch(KeyError, way)).with_fold("list").invoke(0) == [1, 2, "KeyError", "more"]


def fails_after(items, error=KeyError):
    def stage(chunks):
        yield from items
        raise error("x")

    return stage


def test_other_errors_pass_with_the_note_of_the_source():
    for exceptions in ValueError, (ValueError, OSError), [TypeError], lambda error: False:
        operator = ops.catch(exceptions, handler)
        for make, drain in (Source, list), (AsyncSource, lambda stream: run(listed(stream))):
            failure = KeyError("x")
            source = make([1], failure)
            method = operator.transform if make is Source else operator.atransform
            with pytest.raises(KeyError) as caught:
                drain(method(source))
            assert caught.value is failure
            assert failure.__notes__ == [f"in the source of {operator!r}"]
            assert source.closes == 1


def test_which_errors():
    for exceptions in (
        KeyError,
        LookupError,
        (OSError, KeyError),
        [KeyError],
        Exception,
        lambda error: error.args == ("x",),
    ):
        assert list(ops.catch(exceptions).transform(Source([1], KeyError("x")))) == [1]
    for error in KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError:
        with pytest.raises(error):
            list(ops.catch(BaseException).transform(Source([1], error())))

    def predicate(error):
        raise OSError("predicate")

    with pytest.raises(OSError, match="predicate") as caught:
        list(ops.catch(predicate).transform(Source([1], KeyError("x"))))
    assert isinstance(caught.value.__context__, KeyError)


def test_the_stages_before_it_not_those_after_it():
    chain = ops.map(inverse) | ops.catch(ZeroDivisionError, lambda error: [0, 0]) | ops.map(inverse)
    for drain in list, lambda stream: run(listed(stream)):
        stream = chain.stream if drain is list else chain.astream
        with pytest.raises(ZeroDivisionError) as caught:
            drain(stream([2, 0]))
        assert caught.value.__notes__ == ["in ops.map(inverse), at item 1"]
    assert (ops.map(inverse) | ops.catch(ZeroDivisionError) | ops.map(str)).invoke([2, 0, 2]) == ["0.5"]
    seen = []
    chain = (
        ops.map(str) | RunnableGenerator(fails_after([1])) | ops.map(abs) | ops.catch(KeyError, seen.append)
    )
    assert chain.invoke([5]) == [1]
    assert seen[0].__notes__ == [f"in {chain.stages[1]!r}, stage 2 of 4"]
    assert run(chain.ainvoke([5])) == [1]


class Eager(Runnable):
    """Fails as soon as it is called."""

    def __init__(self, where):
        self.where = where
        if where == "transform":
            self._written = type(self._written)(("transform", "atransform"))

    def __repr__(self):
        return "Eager()"

    def stream(self, input, config=None):
        raise KeyError("x")

    def astream(self, input, config=None):
        raise KeyError("x")

    def transform(self, input, config=None):
        raise KeyError("x")

    def atransform(self, input, config=None):
        raise KeyError("x")


def test_every_kind_of_stage_before_it_in_every_form_of_a_call():
    def fails(item):
        raise KeyError("x")

    async def afails(item):
        raise KeyError("x")

    def same(item):
        return item

    caught = ops.catch(KeyError, handler)
    for before in (
        RunnableLambda(fails),
        RunnableLambda(afails),
        RunnableLambda(fails) | same,
        RunnableLambda(same) | fails | same,
        RunnableGenerator(fails_after([])) | same,
        Eager("stream"),
        Eager("transform"),
        RunnableLambda(same) | Eager("transform"),
        RunnableLambda(same) | Eager("stream"),
        ops.map(same) | ops.map(fails),
        RunnableLambda(fails) | {"a": same, "b": same},
    ):
        chain = before | caught
        fold = chain.with_fold("list")
        assert list(chain.stream([1])) == ["KeyError", "more"], before
        assert fold.invoke([1]) == ["KeyError", "more"], before
        assert fold.batch([[1]]) == [["KeyError", "more"]]
        assert run(listed(chain.astream([1]))) == ["KeyError", "more"], before
        assert run(fold.ainvoke([1])) == ["KeyError", "more"], before
        if not isinstance(
            getattr(before, "last", None), RunnableParallel
        ):  # which folds what is none of its own
            after = chain | RunnableLambda(str)  # a stage that waits gets the fold of that
            assert after.invoke([1]) == "".join(after.stream([1])) == run(after.ainvoke([1]))


def test_an_early_end_is_no_error():
    seen = []
    for count in range(3):
        source = Source(itertools.count(), close_error=OSError("disk"))
        stream = ops.catch(OSError, seen.append).transform(source)
        for _ in range(count):
            next(stream)
        with pytest.raises(OSError, match="disk"):
            stream.close()
        assert source.closes == 1
    assert seen == []


def test_a_source_that_fails_in_its_close_at_its_end():
    seen = []

    async def main(error):
        source = AsyncSource([1], error, close_error=OSError("net"))
        assert await listed(ops.catch((OSError, KeyError), seen.append).atransform(source)) == [1]
        assert source.closes == 1

    for error in None, KeyError("x"), KeyError("x"):
        source = Source([1], error, close_error=OSError("disk"))
        assert list(ops.catch((OSError, KeyError), seen.append).transform(source)) == [1]
        assert source.closes == 1
        run(main(error))
    assert [type(error) for error in seen] == [OSError, OSError, KeyError, KeyError, KeyError, KeyError]
    assert any("disk" in note for note in seen[2].__notes__)


def test_errors_of_the_handler_and_of_what_it_gives():
    inner = Source([7], LookupError("inner"), close_error=OSError("close"))
    operator = ops.catch(KeyError, lambda error: inner)
    got = []
    with pytest.raises(LookupError, match="inner") as caught:
        got.extend(operator.transform(Source([1], KeyError("x"))))
    assert (got, inner.closes) == ([1, 7], 1)
    assert caught.value.__notes__[0] == f"in {operator!r}"
    assert "close" in caught.value.__notes__[1]

    def fails(error):
        raise LookupError("handler") from error

    def stops(error):
        raise StopIteration

    for way, kind, message in [
        (fails, LookupError, "handler"),
        (stops, RuntimeError, "StopIteration"),
        (lambda error: "text", TypeError, "the handler must give an iterable of items or None, got str"),
        (lambda error: 5, TypeError, "the handler must give an iterable of items or None, got int"),
    ]:
        operator = ops.catch(KeyError, way)
        source = Source([1], KeyError("x"))
        with pytest.raises(kind, match=message):
            list(operator.transform(source))
        asource = AsyncSource([1], KeyError("x"))
        with pytest.raises(kind, match=message):
            run(listed(operator.atransform(asource)))
        assert (source.closes, asource.closes) == (1, 1)
    source = Source([1], KeyError("x"))
    with pytest.raises(TypeError, match="got async_generator"):
        list(ops.catch(KeyError, lambda error: agiven(error)).transform(source))


def test_the_source_is_closed_before_the_handler_is_called():
    source = Source([1], KeyError("x"))

    def look(error):
        assert source.closes == 1
        return [2]

    assert list(ops.catch(KeyError, look).transform(source)) == [1, 2]
    source = AsyncSource([1], KeyError("x"))
    assert run(listed(ops.catch(KeyError, look).atransform(source))) == [1, 2]


def test_closed_or_dropped_anywhere():
    for count, dropped in itertools.product(range(6), [False, True]):
        source, inner = Source([1, 2], KeyError("x")), Source(itertools.count())
        stream = ops.catch(KeyError, lambda error, inner=inner: inner).transform(source)
        for _ in range(count):
            next(stream)
        if dropped:
            source.error = None  # whose traceback knows the frames of the stream, where these are in Python
            del stream
            gc.collect()
        else:
            stream.close()
            stream.close()
            assert list(stream) == []
        assert (source.closes, inner.closes) == (1, int(count > 2))

    async def main(count, dropped):
        source, inner = AsyncSource([1, 2], KeyError("x")), AsyncSource(itertools.count())
        stream = ops.catch(KeyError, lambda error: inner).atransform(source)
        for _ in range(count):
            await anext(stream)
        if dropped:
            del stream
            gc.collect()
            await turns(9)
        else:
            await stream.aclose()
            await stream.aclose()
        assert (source.closes, inner.closes) == (1, int(count > 2))

    for count, dropped in itertools.product(range(6), [False, True]):
        run(main(count, dropped))


def test_cancelled_at_each_await():
    async def main(turn, way):
        source, inner = AsyncSource([1, 2], KeyError("x"), waits=2), AsyncSource(range(4), waits=2)

        async def slow(error):
            await turns(2)
            return inner

        operator = ops.catch(Exception, slow if way else lambda error: inner)
        task = asyncio.ensure_future(listed(operator.atransform(source)))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result() == [1, 2, 0, 1, 2, 3]
        assert source.closes == 1
        assert inner.closes == bool(inner.pulled) or inner.closes == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for turn, way in itertools.product(range(1, 61), [False, True]):
        run(main(turn, way))


def test_arguments_repr_and_pickle():
    with pytest.raises(TypeError, match="ops.catch: exceptions must be exception types or a callable, got 5"):
        ops.catch(5)
    with pytest.raises(TypeError, match="ops.catch: handler must be callable, got list"):
        ops.catch(KeyError, [])
    for operator, text in [
        (ops.catch(KeyError), "ops.catch(KeyError)"),
        (ops.catch((KeyError, OSError), handler), "ops.catch((KeyError, OSError), handler)"),
    ]:
        assert repr(operator) == text
        assert repr(pickle.loads(pickle.dumps(operator))) == text


def test_it_keeps_the_laws():
    check_laws(ops.catch(ZeroDivisionError), [[], [1], [1, 2, 3]])
    # "errors" breaks the source, which is what this catches
    laws = [law for law in LAWS if law != "errors"]
    check_laws(ops.catch(Exception) | ops.map(str), [[], [1], [1, 2, 3]], laws=laws)


def test_the_fold_is_that_of_what_comes_before():
    text = RunnableGenerator(fails_after(["a", "b"])) | ops.catch(KeyError, lambda error: ["!"])
    assert text.invoke(0) == "ab!"
    assert run(text.ainvoke(0)) == "ab!"
