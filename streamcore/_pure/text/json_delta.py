"""What comes of a JSON document that grows, and the value that it folds to (native: ``_native.text.json_delta``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..._shared.json_text import checked_delta, no_document, not_a_delta

__all__ = ["JSONDelta", "json_folded"]


class JSONDelta:
    """What came of the value at ``path``, a tuple of keys and indexes.

    A string comes in pieces, the last of which is ``done``; ``{}`` or ``[]`` when one opens, and again, ``done``, when
    it closes; anything else once, ``done``.
    """

    __slots__ = ("done", "path", "value")
    __match_args__ = ("path", "value", "done")

    path: tuple[str | int, ...]
    value: Any
    done: bool

    def __init__(self, path: tuple[str | int, ...], value: Any, done: bool = True) -> None:
        checked = checked_delta(path, value, done)
        if hasattr(self, "path"):
            raise TypeError("JSONDelta is made already and does not change")
        fill(self, *checked)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute {name!r} of 'JSONDelta' objects is not writable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"attribute {name!r} of 'JSONDelta' objects is not writable")

    def __repr__(self) -> str:
        return f"JSONDelta(path={self.path!r}, value={self.value!r}, done={self.done})"

    def __hash__(self) -> int:
        return hash((self.path, self.done))

    def __eq__(self, other: object) -> bool:
        if type(other) is not JSONDelta:
            return NotImplemented
        return type(self.value) is type(other.value) and (
            (self.path, self.value, self.done) == (other.path, other.value, other.done)
        )

    def __reduce__(self) -> tuple[type[JSONDelta], tuple[Any, Any, bool]]:
        return JSONDelta, (self.path, self.value, self.done)


_set_path = JSONDelta.__dict__["path"].__set__
_set_value = JSONDelta.__dict__["value"].__set__
_set_done = JSONDelta.__dict__["done"].__set__


def fill(delta: JSONDelta, path: tuple[str | int, ...], value: Any, done: bool) -> JSONDelta:
    _set_path(delta, path)
    _set_value(delta, value)
    _set_done(delta, done)
    return delta


def json_folded(deltas: Iterable[JSONDelta]) -> Any:
    """The value of a document by its deltas, up to where they come: what is open counts as it is.

    ValueError for deltas that are not those of one document.
    """
    levels: list[Any] = []
    pieces: list[str] = []
    open_path: tuple[str | int, ...] | None = None
    root: Any = NOTHING
    for delta in deltas:
        if type(delta) is not JSONDelta:
            raise not_a_delta(delta)
        path, value = delta.path, delta.value
        depth = len(path)
        if depth > len(levels):
            raise no_document(path)
        if type(value) is str:
            if open_path is not None and open_path != path:
                raise no_document(path)
            if not delta.done:
                open_path = path
                pieces.append(value)
                continue
            if open_path is not None:
                value = "".join([*pieces, value])
                open_path, pieces = None, []
        elif open_path is not None:
            raise no_document(path)
        elif type(value) in (dict, list):
            if delta.done and depth < len(levels):
                del levels[depth:]
                continue
            if not delta.done:
                value = [] if type(value) is list else {}
        if depth:
            _place(levels[depth - 1], path[-1], value, path)
        else:
            root = value
        del levels[depth:]
        if not delta.done:
            levels.append(value)
    if open_path is not None:
        if open_path:
            _place(levels[len(open_path) - 1], open_path[-1], "".join(pieces), open_path)
        else:
            root = "".join(pieces)
    if root is NOTHING:
        raise no_document(None)
    return root


NOTHING: Any = object()


def _place(level: Any, key: Any, value: Any, path: tuple[str | int, ...]) -> None:
    if type(level) is dict:
        level[key] = value
    elif type(key) is int and key == len(level):
        level.append(value)
    else:
        raise no_document(path)
