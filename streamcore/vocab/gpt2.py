"""The embedded vocabulary: r50k_base, of GPT-2 (see GPT2_LICENSE.txt beside this file)."""

from __future__ import annotations

import os
import zlib
from itertools import accumulate, pairwise

from .encodings import ENCODINGS
from .vocabulary import Vocabulary

__all__ = ["load_gpt2"]


def load_gpt2() -> Vocabulary:
    """The GPT-2 vocabulary, from the package itself."""
    # as importlib.resources does, which is slow to import: a package may lie in a zip archive
    path = os.path.join(os.path.dirname(__file__), "r50k_base.ranks.gz")
    data = zlib.decompress(__spec__.loader.get_data(path), wbits=31)  # type: ignore[union-attr]
    # laid out by .ci/pack_vocabulary.py: how many tokens, their lengths, their bytes
    count = int.from_bytes(data[:4], "little")
    ends = accumulate(data[4 : 4 + count], initial=4 + count)
    ranks = {data[start:end]: rank for rank, (start, end) in enumerate(pairwise(ends))}
    known = ENCODINGS["r50k_base"]
    return Vocabulary(ranks, known.pattern, known.special_tokens)
