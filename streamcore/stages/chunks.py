"""``FixedSize`` and ``ContentDefined``: pieces by their size, and chunks whose ends follow from their content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .stage import Item, ItemStage

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, Unpack, overload

    from .._backend import Chunk, View
    from .kinds import ContentDefinedOptions, FixedSizeOptions

__all__ = ["ContentDefined", "FixedSize"]


class FixedSize(ItemStage[Item]):
    """Cuts a byte stream into items of ``size`` bytes; the last one may be shorter.

    ``as_`` is ``"view"`` (no copy where an item lies inside one fragment), ``bytes`` or ``str`` (each item is decoded
    as UTF-8 by itself). ``on_incomplete`` says what becomes of a shorter last item: ``"emit"``, ``"drop"`` or
    ``"raise"`` (``IncompleteItem``). With ``borrow`` mutable fragments are not copied: do not change them
    while items live.

    >>> from streamcore import FixedSize
    >>> [bytes(block) for block in FixedSize(3).stream([b"ab", b"cdef", b"gh"])]
    [b'abc', b'def', b'gh']
    """

    _engine = "FixedSizeEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: FixedSize[View],
            size: int,
            *,
            as_: Literal["view"] = ...,
            **options: Unpack[FixedSizeOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: FixedSize[bytes], size: int, *, as_: type[bytes], **options: Unpack[FixedSizeOptions]
        ) -> None: ...
        @overload
        def __init__(
            self: FixedSize[str], size: int, *, as_: type[str], **options: Unpack[FixedSizeOptions]
        ) -> None: ...

    def __init__(
        self, size: int, *, on_incomplete: str = "emit", as_: Any = "view", borrow: bool = False
    ) -> None:
        super().__init__(size, on_incomplete=on_incomplete, as_=as_, borrow=borrow)


class ContentDefined(ItemStage[Item]):
    """Cuts a byte stream into chunks whose ends follow from their content, so that what is the same is cut the same.

    ``algorithm`` is ``"fastcdc2020"`` (bit for bit the chunks of fastcdc-rs, ``seed`` XORed into its table),
    ``"fastcdc2016"``, or ``"ram"`` (Rapid Asymmetric Maximum), which is faster and compatible with nothing. Chunks have
    about ``avg_size`` bytes, at least ``min_size`` (a quarter of that; "ram" has none) and at most ``max_size`` (four
    times that); the last one may be smaller. ``normalization``, from 0 to 3, holds sizes closer to ``avg_size``.

    Items are views, which copy nothing where a chunk lies inside one fragment and stay valid for ever, or with ``as_``
    ``bytes`` or ``str``. With ``digest``, such as ``hashlib.sha256``, they are ``Chunk(data, offset, digest)``: it is
    called with the data of each, and what it returns is asked for its ``digest()`` where it has that; batches hold the
    data alone. With ``borrow`` mutable fragments are not copied: do not change them while items live.
    """

    _engine = "ContentDefinedEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: ContentDefined[View],
            avg_size: int = ...,
            min_size: int | None = ...,
            max_size: int | None = ...,
            *,
            digest: None = ...,
            as_: Literal["view"] = ...,
            **options: Unpack[ContentDefinedOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: ContentDefined[bytes],
            avg_size: int = ...,
            min_size: int | None = ...,
            max_size: int | None = ...,
            *,
            digest: None = ...,
            as_: type[bytes],
            **options: Unpack[ContentDefinedOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: ContentDefined[str],
            avg_size: int = ...,
            min_size: int | None = ...,
            max_size: int | None = ...,
            *,
            digest: None = ...,
            as_: type[str],
            **options: Unpack[ContentDefinedOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: ContentDefined[Chunk],
            avg_size: int = ...,
            min_size: int | None = ...,
            max_size: int | None = ...,
            *,
            digest: Callable[[Any], Any],
            as_: Any = ...,
            **options: Unpack[ContentDefinedOptions],
        ) -> None: ...

    def __init__(
        self,
        avg_size: int = 16384,
        min_size: int | None = None,
        max_size: int | None = None,
        *,
        normalization: int = 1,
        seed: int = 0,
        algorithm: str = "fastcdc2020",
        digest: Callable[[Any], Any] | None = None,
        as_: Any = "view",
        borrow: bool = False,
    ) -> None:
        sizes = {"min_size": min_size, "max_size": max_size}
        super().__init__(
            avg_size,
            **{name: size for name, size in sizes.items() if size is not None},
            normalization=normalization,
            seed=seed,
            algorithm=algorithm,
            digest=digest,
            as_=as_,
            borrow=borrow,
        )
