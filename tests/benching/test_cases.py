"""The cases themselves, on small inputs; nothing is timed."""

from __future__ import annotations

import pytest

from streamcore.benching import case, inputs
from streamcore.benching.catalogue import CASES, chosen
from streamcore.benching.measuring import unequal
from streamcore.benching.tokens import last_merge


@pytest.mark.filterwarnings("default")  # peers may warn
@pytest.mark.parametrize("name", CASES)
def test_all_sides_give_the_same(name: str) -> None:
    work = CASES[name].build(0.01)
    assert work.sides.keys() | work.missing.keys() == set(CASES[name].sides)
    assert not work.sides.keys() & work.missing.keys()
    assert {"native", "pure"} & work.sides.keys()
    assert unequal(work) == []
    assert work.amount > 0
    assert CASES[name].unit in case.UNITS
    if work.floor is not None and not work.floor.direct:
        work.floor.run()


def test_names_are_chosen_in_the_order_of_the_catalogue() -> None:
    assert [each.name for each in chosen(["words", "lines", "words"])] == ["lines", "words"]
    assert [each.name for each in chosen([])] == list(CASES)
    with pytest.raises(ValueError, match="no case is named bees, nope; there are lines, "):
        chosen(["nope", "lines", "bees"])


def test_a_package_that_is_not_there_is_missing_and_so_is_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(case.PEERS, "tiktoken", ("no_such_module", "tiktoken"))
    work = case.Work()
    work.add("tiktoken", lambda: case.drained(list))
    work.add_ours("no.such", "Thing", case.drained)
    assert work.sides == {}
    assert work.missing["tiktoken"] == "pip install tiktoken"
    assert work.missing["native"].startswith("not built here: ")


def test_a_peer_that_fails_is_missing_and_one_of_ours_that_fails_is_raised() -> None:
    for peer in ("tiktoken", "tokenizers"):
        pytest.importorskip(peer)

    def fails() -> case.Side:
        raise TypeError("no such argument\nand more")

    work = case.Work()
    work.add("native", lambda: case.drained(list))
    work.add("tokenizers", fails)
    work.sides["tiktoken"] = case.Side(fails, fails)
    assert unequal(work) == []
    assert work.sides.keys() == {"native"}
    assert work.missing == dict.fromkeys(["tokenizers", "tiktoken"], "fails: TypeError: no such argument")
    with pytest.raises(TypeError, match="no such argument"):
        work.add("pure", fails)
    work.sides["pure"] = case.Side(fails, fails)
    with pytest.raises(TypeError, match="no such argument"):
        unequal(work)


def test_inputs_come_from_the_seed_and_do_not_repeat() -> None:
    assert inputs.prose(5000, 1) == inputs.prose(5000, 1) != inputs.prose(5000, 2)
    assert len(inputs.prose(5000)) == 5000
    text = inputs.prose(40_000)
    pieces = {text[at : at + 200] for at in range(0, 40_000, 200)}
    assert len(pieces) == 200
    for made in (inputs.lines(3000), inputs.many_scripts(3000), inputs.events(20)):
        for mean in (1, 7, 5000):
            assert b"".join(inputs.cut(made, mean)) == made
    assert {len(line) + 1 for line in inputs.lines(30_000).splitlines()[:-1]} <= set(range(60, 141))
    inputs.many_scripts(3000).decode()


def test_the_floor_makes_as_many_objects_of_the_same_sizes() -> None:
    for items in ([b"a" * (each % 7) for each in range(1203)], ["xy" * (each % 5) for each in range(1203)]):
        found = [each for group in case.remade(items).result() for each in group]
        assert [*map(len, found)] == [*map(len, items)]


def test_a_token_is_made_of_those_of_lower_rank() -> None:
    ranks = {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ab": 4, b"abc": 5}
    assert last_merge(b"abc", ranks) == [b"a", b"bc"]
    assert last_merge(b"ab", ranks) == [b"a", b"b"]
