"""Where the tokens of a text lie in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class TokenOffsets(NamedTuple):
    """Ids of a text, and where each token lies in it.

    ``bytes`` and ``chars`` hold n + 1 int64 offsets: token i covers the bytes from ``bytes[i]`` to ``bytes[i + 1]`` of
    the text's UTF-8, and begins in character ``chars[i]``.
    """

    ids: npt.NDArray[np.uint32]
    bytes: npt.NDArray[np.int64]
    chars: npt.NDArray[np.int64]
