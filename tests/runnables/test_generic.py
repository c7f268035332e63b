"""Runnables are subscriptable at run time, whatever a type checker makes of them (``tests/typing``)."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Generic, TypeVar

import pytest

from streamcore import (
    FixedSize,
    Lines,
    RouterRunnable,
    Runnable,
    RunnableBinding,
    RunnableBranch,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableListening,
    RunnableParallel,
    RunnablePassthrough,
    RunnableRetry,
    RunnableSequence,
    RunnableTimeout,
    RunnableWithFallbacks,
    Words,
    ops,
)

First = TypeVar("First")
Second = TypeVar("Second")


def upper(chunks):
    for chunk in chunks:
        yield chunk.upper()


MADE = [
    (RunnableLambda[str, int](len), "abc", 3),
    (RunnableLambda[str, int, int](len), "abc", 3),
    (RunnableGenerator[str, str](upper), "abc", "ABC"),
    (RunnableSequence[str, int](upper, len), "abc", 3),
    (RunnablePassthrough[str](), "abc", "abc"),
    (RunnableParallel[str](n=len), "abc", {"n": 3}),
    (RunnableBranch[str, int]((str.isupper, int), len), "abc", 3),
    (RouterRunnable[int]({"n": len}), {"key": "n", "input": "abc"}, 3),
    (RunnableEach[str, int](len), ["a", "bc"], [1, 2]),
    (RunnableBinding[str, int](len), "abc", 3),
    (RunnableRetry[str, int](len), "abc", 3),
    (RunnableWithFallbacks[str, int](int, [len]), "abc", 3),
    (RunnableTimeout[str, int](len, 60), "abc", 3),
    (RunnableListening[str, int](len), "abc", 3),
    (ops.map[str, int](len), ["a", "bc"], [1, 2]),
    (Lines[str](as_=str), b"a\nb", ["a", "b"]),
    (FixedSize[bytes](2, as_=bytes), b"abc", [b"ab", b"c"]),
    (Words[str]("none", as_=str), "a b", ["a", "b"]),
]


@pytest.mark.parametrize(("runnable", "given", "wanted"), MADE)
def test_one_that_was_made_by_a_subscripted_class(runnable, given, wanted):
    assert runnable.invoke(given) == wanted
    assert (runnable | str).invoke(given) == str(wanted)
    assert pickle.loads(pickle.dumps(runnable)).invoke(given) == wanted


def test_a_generic_subclass_of_ones_own():
    class Twice(RunnableLambda[str, int]):
        pass

    assert Twice(len).invoke("ab") == 2
    assert Twice.__orig_bases__[0].__args__ == (str, int, int)
    assert isinstance(Twice(len), Runnable)


def test_a_class_with_two_parameters_of_its_own():
    class Pair(Runnable[First, Second], Generic[First, Second]):
        def invoke(self, input, config=None):
            return input

    assert Pair[int, str].__args__ == (int, str)
    assert Pair[int, str]().invoke(1) == 1


@pytest.mark.parametrize("kind", [Runnable, RunnableLambda, RunnableGenerator, RunnableSequence])
def test_two_parameters_stand_for_three(kind):
    assert kind[str, bytes] == kind[str, bytes, bytes]


def test_types_for_checkers_are_not_loaded():
    program = (
        "import sys, streamcore; streamcore.RunnableLambda, streamcore.RunnableSequence, streamcore.Lines\n"
        "loaded = {name.removeprefix('streamcore.') for name in sys.modules}\n"
        "assert loaded >= {'runnables.sequence', 'stages.lines'}\n"
        "assert not loaded & {'runnables.composing', 'stages.kinds', 'typing_extensions'}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
