"""``check_laws`` must find each kind of broken Runnable, and pass a right one."""

from __future__ import annotations

import pytest

from streamcore import Lines, Runnable, RunnableGenerator, ops
from streamcore.testing import LawViolation, check_laws, cut_at, fragmentations, twins


def split_lines(chunks):
    rest = ""
    for chunk in chunks:
        rest += chunk
        *lines, rest = rest.split("\n")
        yield from lines
    if rest:
        yield rest


SAMPLES = ["one\ntwo\n\nthree", "", "\n", "no end"]


def lines(func=split_lines, **options):
    return RunnableGenerator(func, collect=list, **options)


def test_a_right_stage_passes_and_every_law_is_counted():
    report = check_laws(lines(), SAMPLES)
    assert report.checked.pop("twins") == 0
    assert all(report.checked.values())
    assert report.total == sum(report.checked.values())


def test_incompleteness_is_found():
    class Loses(Runnable[str, str]):
        def stream(self, input, config=None):
            yield from input[1:]

        def invoke(self, input, config=None):
            return input

    with pytest.raises(LawViolation, match="^completeness: "):
        check_laws(Loses(), ["abc"])


def test_dependence_on_the_cut_is_found():
    def careless(chunks):
        for chunk in chunks:
            yield from chunk.splitlines()

    with pytest.raises(LawViolation, match="^fragmentation: ") as caught:
        check_laws(lines(careless), SAMPLES)
    assert caught.value.law == "fragmentation"


def test_wrong_order_is_found():
    class Reversed(Runnable[str, str]):
        def invoke(self, input, config=None):
            return input

        def batch(self, inputs, config=None, **kwargs):
            return super().batch(inputs, config, **kwargs)[::-1]

    with pytest.raises(LawViolation, match="^order: "):
        check_laws(Reversed(), ["a", "b"])


def test_a_late_item_is_found():
    def late(chunks):
        yield from split_lines(["".join(chunks)])

    with pytest.raises(LawViolation, match="^eagerness: "):
        check_laws(lines(late), SAMPLES)


def test_an_early_item_is_found():
    def early(chunks):
        for chunk in chunks:
            yield from chunk

    class Early(RunnableGenerator):
        def transform(self, input, config=None, **kwargs):
            held = list(input)
            yield from (held[0] if len(held) > 1 else held)

    with pytest.raises(LawViolation):
        check_laws(Early(early, collect=list), ["ab", "b"], laws=("eagerness",))


class OnlyLateOnALoop(RunnableGenerator):
    async def atransform(self, input, config=None, **kwargs):
        whole = "".join([chunk async for chunk in input])
        for line in self.transform([whole]):
            yield line


class OnlyEarlyOnALoop(RunnableGenerator):
    async def atransform(self, input, config=None, **kwargs):
        async for chunk in input:
            yield chunk


@pytest.mark.parametrize("kind", [OnlyLateOnALoop, OnlyEarlyOnALoop])
def test_an_item_that_is_late_or_early_on_a_loop_only_is_found(kind, monkeypatch):
    monkeypatch.setattr("streamcore.testing.eagerness.LATE", 0.05)
    with pytest.raises(LawViolation, match="^eagerness: .*on an event loop"):
        check_laws(kind(split_lines, collect=list), ["one\ntwo\nthree"], laws=("eagerness",))


def test_a_stage_that_runs_in_a_thread_under_a_loop_is_eager_enough():
    assert check_laws(lines(), ["one\ntwo\nthree"], laws=("eagerness",)).checked["eagerness"] == 24


def test_a_source_left_open_is_found():
    class Leaves(ops.map):
        _closes_input = True  # a promise

        def transform(self, input, config=None):
            yield from input

    with pytest.raises(LawViolation, match="^cleanup: .*was closed"):
        check_laws(Leaves(str), ["ab"], laws=("cleanup",))


def test_a_swallowed_error_is_found():
    def swallows(chunks):
        try:
            yield from split_lines(chunks)
        except OSError:
            return

    with pytest.raises(LawViolation, match="^errors: .*swallowed"):
        check_laws(lines(swallows), SAMPLES)


def test_twins_that_differ_are_caught(monkeypatch):
    find = twins._find
    pure = find("pure", Lines()._engine)

    class Differs(pure):
        def iterate(self, source):
            return (item or b"-" for item in super().iterate(source))

    def found(backend, name):
        return Differs if backend == "pure" else find(backend, name)

    if None in (find("native", Lines()._engine), pure):
        pytest.skip("one backend only")
    assert check_laws(Lines(), [b"a\n\nb"], laws=("twins",)).checked["twins"]
    monkeypatch.setattr(twins, "_find", found)
    with pytest.raises(LawViolation, match="^twins: .*native against pure"):
        check_laws(Lines(), [b"a\n\nb"], laws=("twins",))


def test_an_unknown_law_is_refused():
    with pytest.raises(ValueError, match="no such law: gravity"):
        check_laws(ops.take(1), [], laws=("gravity",))


def test_short_inputs_are_cut_in_every_way():
    ways = {tuple(fragments) for fragments in fragmentations("abcd")}
    assert len({tuple(filter(None, way)) for way in ways}) == 8
    assert ("", "abcd", "") in ways
    assert all("".join(way) == "abcd" for way in ways)


def test_long_inputs_are_cut_at_every_place():
    whole = bytes(range(100))
    ways = [tuple(fragments) for fragments in fragmentations(whole, cuts=30)]
    assert all(b"".join(way) == whole for way in ways)
    assert {(whole[:at], whole[at:]) for at in range(1, 100)} <= set(ways)
    assert any(b"" in way for way in ways)


def test_cuts_may_repeat():
    assert cut_at("abc", [1, 1, 3]) == ["a", "", "bc", ""]
