"""Read-only windows of bytes: in the pure twin a view is a ``memoryview`` (native: ``_native.buffers.view.View``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self, overload

    from _typeshed import ReadableBuffer

__all__ = ["View", "freeze"]


def freeze(data: ReadableBuffer, taker: str, borrow: bool = False) -> memoryview:
    """Give ``data`` as read-only bytes that stay as they are now, copied only where they could change.

    ``bytes`` and read-only memoryviews over ``bytes`` are taken by reference; everything else is copied,
    unless ``borrow``: then the caller promises not to change it. Any item size is taken as its raw bytes.
    TypeError if ``data`` has no buffer, BufferError if it is not C-contiguous; ``taker`` begins the message.
    """
    if type(data) is bytes:
        return memoryview(data)
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"{taker} takes bytes-like data, got {type(data).__name__}") from None
    if not view.c_contiguous:
        if not view.nbytes:
            return memoryview(b"")  # nothing has no gaps
        raise BufferError(f"{taker} takes C-contiguous data, got a {view.ndim}-dimensional view with gaps")
    if not borrow and not (view.readonly and isinstance(view.obj, bytes)):
        return memoryview(view.tobytes())
    if view.format == "B" and view.ndim == 1:
        return view.toreadonly()
    try:
        return view.cast("B").toreadonly()
    except (TypeError, ValueError):  # there is no cast from formats such as "<i", nor from empty shapes
        return memoryview(view.tobytes())


if TYPE_CHECKING:

    class View(Sequence[int]):
        """Read-only window of bytes that keeps its memory alive and never changes, as in either backend."""

        def __init__(self, data: ReadableBuffer) -> None: ...
        def __buffer__(self, flags: int, /) -> memoryview: ...
        def __enter__(self) -> Self: ...
        def __exit__(self, *exc_info: object) -> None: ...
        def __len__(self) -> int: ...
        @overload
        def __getitem__(self, key: int, /) -> int: ...
        @overload
        def __getitem__(self, key: slice, /) -> View: ...
        def __getitem__(self, key: Any, /) -> Any: ...
        def __hash__(self) -> int: ...
        @property
        def nbytes(self) -> int: ...
        @property
        def readonly(self) -> bool: ...
        def cast(self, format: str, /) -> memoryview: ...
        def hex(self, sep: str | bytes = ..., bytes_per_sep: int = ...) -> str: ...
        def release(self) -> None: ...
        def tobytes(self) -> bytes: ...
        def tolist(self) -> list[int]: ...

else:

    class _Memoryviews(type):
        """Makes ``View(data)`` a read-only ``memoryview``, and each of those an instance of ``View``."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, memoryview) and instance.readonly

        def __call__(cls, data: ReadableBuffer) -> Any:
            return freeze(data, "View")

    class View(metaclass=_Memoryviews):
        """Read-only window of bytes that keeps its memory alive and never changes.

        ``data`` is any C-contiguous bytes-like object: ``bytes`` and views of ``bytes`` are shared, everything
        else is copied once. Stages make views without copying. In this backend a view is a ``memoryview``.
        """
