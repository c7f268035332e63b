"""``JSONDeltas``: one JSON document as it grows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _backend
from .._shared.options import DEFAULT_MAX_SIZE
from ..errors import IncompleteItem
from ..sources import fragments, is_text
from .stage import Stage

if TYPE_CHECKING:
    from typing import Literal, NoReturn, overload

    from .._backend import JSONDelta
    from .kinds import TextSource
else:
    TextSource = Any

__all__ = ["JSONDeltas"]

Item = TypeVar("Item")


class JSONDeltas(Stage[TextSource, Any, Item]):
    """Reads one JSON document as it grows, each byte once: ``JSONDelta(path, value, done)``, or snapshots.

    ``path`` is a tuple of keys and indexes. A string comes in pieces as its characters come, the last one ``done``
    (``whole_strings``: once, whole); a number or literal when it is complete; ``{}`` or ``[]`` when one opens, and
    again, ``done``, when it closes. ``invoke`` folds them to the value that ``json.loads`` gives. ``as_="snapshot"``
    gives, after each fragment that changed it, the value so far: one Python value changed in place, with open strings
    as far as they came, without numbers, literals and keys that are not complete; copy what you keep.

    What cannot stand where it stands is an ``InvalidFrame`` with offset, path and what was expected, an end inside the
    document an ``IncompleteItem``. Not ``strict``, it takes a code fence around the document, trailing commas, control
    characters in strings, escapes that JSON does not know (as they are written), an end too early (what is open is
    closed) and text after the end (``engine.rest``). ``max_depth`` bounds the levels, ``max_size`` a key, a number, a
    whole string and the rest (``ItemTooLarge``; None: no bound). Floats are made by ``parse_float``, as for
    ``json.loads``.

    >>> from streamcore import JSONDeltas
    >>> JSONDeltas().invoke(['{"a": [1', '2, 3]}'])
    {'a': [12, 3]}
    """

    _chunks_are = "pieces"
    _engine = "JSONDeltasEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: JSONDeltas[JSONDelta],
            *,
            strict: bool = ...,
            max_depth: int = ...,
            max_size: int | None = ...,
            as_: Literal["delta"] = ...,
            whole_strings: bool = ...,
            parse_float: Callable[[str], Any] = ...,
        ) -> None: ...

        @overload
        def __init__(
            self: JSONDeltas[Any],
            *,
            strict: bool = ...,
            max_depth: int = ...,
            max_size: int | None = ...,
            as_: Literal["snapshot"],
            whole_strings: bool = ...,
            parse_float: Callable[[str], Any] = ...,
        ) -> None: ...

    def __init__(
        self,
        *,
        strict: bool = True,
        max_depth: int = 512,
        max_size: int | None = DEFAULT_MAX_SIZE,
        as_: str = "delta",
        whole_strings: bool = False,
        parse_float: Callable[[str], Any] = float,
    ) -> None:
        super().__init__(
            strict=strict,
            max_depth=max_depth,
            max_size=max_size,
            as_=as_,
            whole_strings=whole_strings,
            parse_float=parse_float,
        )

    def _fragments(self, source: Any) -> Iterator[Any]:
        return fragments(source, text=is_text(source))

    def collect(self, chunks: Iterable[Any]) -> Any:
        """The value: of deltas what they fold to, of snapshots the last one."""
        if self._options["as_"] == "delta":
            return _backend.json_folded(chunks)
        last = list(chunks)[-1:]
        if not last:
            raise IncompleteItem(0, 0)
        return last[0]

    def batches(self, source: Any) -> NoReturn:
        """Not for deltas: TypeError."""
        raise TypeError("JSONDeltas has no batches(): use stream()")
