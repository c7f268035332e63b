"""``Lines`` and ``Delimited``: items that end where certain bytes stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._shared.options import DEFAULT_MAX_SIZE
from .stage import Item, ItemStage

if TYPE_CHECKING:
    from typing import Literal, Unpack, overload

    from .._backend import View
    from .kinds import DelimitedOptions, LinesOptions

__all__ = ["Delimited", "Lines"]


class Lines(ItemStage[Item]):
    r"""Cuts a byte stream into lines.

    ``newline="lf"`` ends a line at LF and takes a CR away only as part of CRLF; ``"universal"`` ends it at a lone CR
    too. Nothing else ends a line. ``keepends`` leaves the line end on. What follows the last line end is a line
    unless it is empty; ``on_incomplete`` = ``"emit"``, ``"drop"`` or ``"raise"`` (``IncompleteItem``) says what becomes
    of it.

    ``max_size`` bounds a line without its end, in bytes (None: no bound); a longer one is an ``ItemTooLarge``, or
    with ``on_oversize="skip"`` left out, or with ``"truncate"`` cut to that size. ``as_`` is ``bytes``, ``str`` (UTF-8,
    ``InvalidEncoding`` where it is not) or ``"view"``. With ``borrow`` mutable fragments are not copied: do not
    change them while items live.

    >>> from streamcore import Lines
    >>> list(Lines().stream([b"one\r", b"\ntwo\nth", b"ree"]))
    [b'one', b'two', b'three']
    """

    _engine = "LinesEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Lines[bytes], *, as_: type[bytes] = ..., **options: Unpack[LinesOptions]
        ) -> None: ...
        @overload
        def __init__(self: Lines[str], *, as_: type[str], **options: Unpack[LinesOptions]) -> None: ...
        @overload
        def __init__(self: Lines[View], *, as_: Literal["view"], **options: Unpack[LinesOptions]) -> None: ...

    def __init__(
        self,
        *,
        keepends: bool = False,
        newline: str = "lf",
        max_size: int | None = DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "emit",
        as_: Any = bytes,
        borrow: bool = False,
    ) -> None:
        super().__init__(
            keepends=keepends,
            newline=newline,
            max_size=max_size,
            on_oversize=on_oversize,
            on_incomplete=on_incomplete,
            as_=as_,
            borrow=borrow,
        )


class Delimited(ItemStage[Item]):
    """Cuts a byte stream at delimiters, each of one or more bytes.

    Where delimiters overlap, the one that starts first counts, and of those that start together the longest. ``keep``
    leaves the delimiter at the end of the item. The other options are those of ``Lines``.

    >>> from streamcore import Delimited
    >>> list(Delimited(b"--").stream([b"one-", b"-two"]))
    [b'one', b'two']
    """

    _engine = "DelimitedEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Delimited[bytes],
            *delimiters: bytes,
            as_: type[bytes] = ...,
            **options: Unpack[DelimitedOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: Delimited[str], *delimiters: bytes, as_: type[str], **options: Unpack[DelimitedOptions]
        ) -> None: ...
        @overload
        def __init__(
            self: Delimited[View],
            *delimiters: bytes,
            as_: Literal["view"],
            **options: Unpack[DelimitedOptions],
        ) -> None: ...

    def __init__(
        self,
        *delimiters: bytes,
        keep: bool = False,
        max_size: int | None = DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "emit",
        as_: Any = bytes,
        borrow: bool = False,
    ) -> None:
        super().__init__(
            *delimiters,
            keep=keep,
            max_size=max_size,
            on_oversize=on_oversize,
            on_incomplete=on_incomplete,
            as_=as_,
            borrow=borrow,
        )
