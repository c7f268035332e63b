"""The special tokens that a vocabulary's template puts around a text: a beginning of sequence, an end, both."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Any

from .options import shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["NO_TEMPLATE", "Template", "checked_template", "framed", "framed_many"]

Template = tuple[tuple[int, ...], tuple[int, ...]]
NO_TEMPLATE: Template = ((), ())


def checked_template(template: Iterable[Iterable[int]] | None, known: Container[int]) -> Template:
    """The ids before a text and those after it; ValueError for one that is not in the vocabulary."""
    if template is None:
        return NO_TEMPLATE
    sides = [tuple(side) for side in template]
    if len(sides) != 2 or not all(type(number) is int for side in sides for number in side):
        raise TypeError("template must be two sequences of ids: before a text and after it")
    for number in (*sides[0], *sides[1]):
        if number not in known:
            raise ValueError(f"template has an id that is not in the vocabulary: {shown(number)}")
    return sides[0], sides[1]


def framed(ids: Any, template: Template) -> Any:
    """The ids of a text, a list or an array, between those of the template."""
    first, last = template
    if isinstance(ids, list):
        return [*first, *ids, *last]
    import numpy as np

    return np.concatenate([np.array(first, np.uint32), ids, np.array(last, np.uint32)])


def framed_many(
    ids: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64], template: Template
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """The same for many texts in one array, and their offsets."""
    import numpy as np

    first, last = template
    texts = len(offsets) - 1
    places = np.concatenate([np.repeat(offsets[:-1], len(first)), np.repeat(offsets[1:], len(last))])
    added = np.concatenate([np.tile(np.array(side, np.uint32), texts) for side in template])
    # what goes to one place: the end of a text before the beginning of the next, so ends first
    order = np.argsort(
        np.concatenate(
            [
                np.repeat(np.arange(texts, dtype=np.int64) * 2, len(first)),
                np.repeat(np.arange(texts, dtype=np.int64) * 2 + 1, len(last)),
            ]
        ),
        kind="stable",
    )
    made = np.insert(ids, places[order], added[order])
    return made, offsets + np.arange(texts + 1, dtype=np.int64) * (len(first) + len(last))
