"""Errors that are values: equal, hashable, unchanging, and the same after pickling."""

import copy
import pickle

import pytest

from streamcore import IncompleteItem, InvalidEncoding, InvalidFrame, ItemTooLarge

ERRORS = [
    lambda: ItemTooLarge(4, 3, 1 << 40),
    lambda: IncompleteItem(4, 3),
    lambda: InvalidFrame("why", 3),
    lambda: InvalidFrame("why", 3, ("a", 1)),
    lambda: InvalidEncoding("utf-8", b"\xff", 0, 1, "why", 7),
]
NAMES = {kind.__name__: kind for kind in (ItemTooLarge, IncompleteItem, InvalidFrame, InvalidEncoding)}


def test_equal_by_fields():
    made = [make() for make in ERRORS]
    for number, make in enumerate(ERRORS):
        assert [error == make() for error in made] == [other == number for other in range(len(made))]
        assert hash(make()) == hash(made[number])
        assert eval(repr(make()), dict(NAMES)) == make()
    assert IncompleteItem(4, 3) != (4, 3)
    assert InvalidEncoding("utf-8", b"\xff", 0, 1, "why", 7) != InvalidEncoding(
        "utf-8", b"\xff", 0, 1, "why", 8
    )


def test_matched_by_position():
    match ItemTooLarge(4, 3, 2):
        case ItemTooLarge(size, limit, offset):
            assert (size, limit, offset) == (4, 3, 2)
    for make in ERRORS:
        error = make()
        assert len(type(error).__match_args__) == len([getattr(error, name) for name in error.__match_args__])


def test_fields_do_not_change():
    for make in ERRORS:
        error = make()
        for name in ("offset", *({"size", "limit", "path"} & set(error.__match_args__))):
            with pytest.raises(AttributeError, match=f"^attribute '{name}' of .* objects is not writable$"):
                setattr(error, name, 1)
            with pytest.raises(AttributeError, match="not writable$"):
                delattr(error, name)
        assert error == make()


def test_notes_and_attributes_survive_copies():
    for make in ERRORS:
        error = make()
        error.add_note("where")
        error.more = 1
        for other in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
            assert other == error
            assert (str(other), other.__notes__, other.more) == (str(error), ["where"], 1)


def test_they_travel_through_handlers():
    for make in ERRORS:
        with pytest.raises(type(make())) as raised:
            try:
                raise make()
            except ValueError as error:
                error.add_note("passed on")
                raise error.with_traceback(None) from KeyError("x")
            except EOFError as error:
                error.__cause__ = KeyError("x")
                raise
        assert isinstance(raised.value.__cause__, KeyError)
