"""``LengthPrefixed``: frames that begin with their length."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .._shared.length_prefixes import Prefix
from .._shared.options import DEFAULT_MAX_SIZE
from ..ops.per_item import map as map_items
from .stage import Item, ItemStage

if TYPE_CHECKING:
    from typing import Literal, Unpack, overload

    from _typeshed import ReadableBuffer

    from .._backend import View
    from .kinds import LengthPrefixedOptions

__all__ = ["FrameEncoder", "LengthPrefixed"]


class LengthPrefixed(ItemStage[Item]):
    """Cuts a byte stream into frames: ``offset`` bytes, a length field, and a body of the size that the field tells.

    ``prefix`` is the field: ``u8 u16be u16le u24be u24le u32be u32le u64be u64le``, ``varint`` (unsigned LEB128 of at
    most 10 bytes) or ``ascii`` (a netstring: ``3:abc,``). The size of the body is the field's value plus ``adjust``,
    less the width of the field with ``includes_prefix``. Items are the bodies, or with ``keep_head`` the frames as they
    stood.

    ``max_size`` bounds a body (None: no bound) and is looked at as soon as the length is known: ``ItemTooLarge``, or
    with ``on_oversize="skip"`` the frame is left out, or with ``"truncate"`` the body ends after ``max_size`` bytes. A
    frame that breaks the format is an ``InvalidFrame``. Input that ends in a frame is an ``IncompleteItem``, or with
    ``on_incomplete="emit"`` what is there of the body is an item, or with ``"drop"`` nothing. ``as_`` is ``bytes``,
    ``str`` (UTF-8, ``InvalidEncoding`` where it is not) or ``"view"``. With ``borrow`` mutable fragments are not
    copied: do not change them while items live.

    >>> from streamcore import LengthPrefixed
    >>> LengthPrefixed("ascii").invoke([b"3:on", b"e,3:two,"])
    [b'one', b'two']
    """

    _engine = "LengthPrefixedEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: LengthPrefixed[bytes],
            prefix: str = ...,
            *,
            as_: type[bytes] = ...,
            **options: Unpack[LengthPrefixedOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: LengthPrefixed[str],
            prefix: str = ...,
            *,
            as_: type[str],
            **options: Unpack[LengthPrefixedOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: LengthPrefixed[View],
            prefix: str = ...,
            *,
            as_: Literal["view"],
            **options: Unpack[LengthPrefixedOptions],
        ) -> None: ...

    def __init__(
        self,
        prefix: str = "u32be",
        *,
        offset: int = 0,
        adjust: int = 0,
        includes_prefix: bool = False,
        keep_head: bool = False,
        max_size: int | None = DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        on_incomplete: str = "raise",
        as_: Any = bytes,
        borrow: bool = False,
    ) -> None:
        super().__init__(
            prefix,
            offset=offset,
            adjust=adjust,
            includes_prefix=includes_prefix,
            keep_head=keep_head,
            max_size=max_size,
            on_oversize=on_oversize,
            on_incomplete=on_incomplete,
            as_=as_,
            borrow=borrow,
        )
        field = (self._options[name] for name in ("offset", "adjust", "includes_prefix"))
        self._prefix = Prefix(self._args[0], *field)

    def encode(self, body: ReadableBuffer, head: ReadableBuffer = b"") -> bytes:
        """The frame of ``body``; ``head`` is the ``offset`` bytes before its length (ValueError if it is not as many).

        A body whose length the field cannot hold is an ``ItemTooLarge``.
        """
        return self._prefix.frame(body, head)

    def encoder(self, head: ReadableBuffer = b"") -> FrameEncoder:
        """A Runnable that makes frames of bodies, each with ``head`` before its length."""
        return FrameEncoder(self, head)


class FrameEncoder(map_items):
    """Makes a frame of each body; the stage gives the bodies back."""

    def __init__(self, stage: LengthPrefixed[Any], head: ReadableBuffer = b"") -> None:
        self.stage = stage
        self.head = bytes(memoryview(head))
        if len(self.head) != stage._prefix.offset:
            raise ValueError(
                f"head must be the {stage._prefix.offset} bytes before the length, got {len(self.head)}"
            )
        super().__init__(partial(stage.encode, head=self.head))
        self._name = f"{stage!r}.encoder({self.head!r})" if self.head else f"{stage!r}.encoder()"
