"""What ``ContentDefined`` cuts by: the options, checked, and the tables of FastCDC, for both backends."""

from __future__ import annotations

from functools import lru_cache
from hashlib import md5
from math import log2
from typing import Any

from .options import choice_option, count_option, shown, size_option

__all__ = ["ALGORITHMS", "Chunking", "checked_chunk", "digest_of", "gear_table"]

ALGORITHMS = ("fastcdc2020", "fastcdc2016", "ram")
RAM_TAIL = 256  # the window of "ram" is so much shorter than avg_size

# By the number of bits that have to be 0, from 5 on: constants of the paper's authors (destor) up to 17 bits, and of
# restic beyond; each chunk that was ever stored depends on them.
_MASKS = (
    0x01804110, 0x01803110, 0x18035100, 0x1800035300, 0x19000353000, 0x590003530000, 0xD90003530000, 0xD90103530000,
    0xD90303530000, 0xD90313530000, 0xD90F03530000, 0xD90303537000, 0xD90703537000, 0xD90707537000, 0xD91707537000,
    0xD91747537000, 0xD91767537000, 0xD93767537000, 0xD93777537000, 0xD93777577000, 0xDB3777577000,
)  # fmt: skip
_LEAST_BITS = 5
_BOUNDS = {"min_size": (64, 1 << 20), "avg_size": (256, 1 << 22), "max_size": (1 << 10, 1 << 24)}


@lru_cache(maxsize=8)
def gear_table(seed: int = 0) -> tuple[int, ...]:
    """256 values of 64 bits: the first half of the MD5 of 64 bytes of each value, as published, XORed with the seed."""
    return tuple(
        int.from_bytes(md5(bytes((byte,)) * 64, usedforsecurity=False).digest()[:8], "big") ^ seed
        for byte in range(256)
    )


class Chunking:
    """The options that say where chunks end.

    ``algorithm`` is the index in ``ALGORITHMS``. For FastCDC ``mask_small`` holds below ``avg_size``, ``mask_large``
    from there on.
    """

    __slots__ = (
        "algorithm",
        "avg_size",
        "mask_large",
        "mask_small",
        "max_size",
        "min_size",
        "seed",
        "window",
    )

    def __init__(
        self, avg_size: Any, min_size: Any, max_size: Any, normalization: Any, seed: Any, algorithm: Any
    ) -> None:
        self.algorithm = choice_option("algorithm", algorithm, ALGORITHMS)
        self.avg_size = _bounded("avg_size", avg_size)
        if ALGORITHMS[self.algorithm] == "ram":
            self._of_ram(min_size, normalization, seed)
        self.max_size = _bounded("max_size", self.avg_size * 4 if max_size is None else max_size)
        self.min_size = _bounded("min_size", max(self.avg_size // 4, 64) if min_size is None else min_size)
        if not self.min_size <= self.avg_size <= self.max_size:
            raise ValueError(
                f"min_size <= avg_size <= max_size must hold, got {self.min_size}, {self.avg_size}, {self.max_size}"
            )
        level = count_option("normalization", normalization)
        if level > 3:
            raise ValueError(f"normalization must be from 0 to 3, got {shown(level)}")
        self.seed = count_option("seed", seed)
        if self.seed >> 64:
            raise ValueError(f"seed must be less than 2**64, got {shown(self.seed)}")
        if self.seed and ALGORITHMS[self.algorithm] == "fastcdc2016":
            raise ValueError(f"seed must be 0 with algorithm='fastcdc2016', got {self.seed}")
        bits = round(log2(self.avg_size)) - _LEAST_BITS
        self.mask_small = _MASKS[bits + level]
        self.mask_large = _MASKS[bits - level]
        self.window = self.avg_size - RAM_TAIL

    def _of_ram(self, min_size: Any, normalization: Any, seed: Any) -> None:
        """The maximum of a window is all that "ram" knows."""
        for name, value, unset in (
            ("min_size", min_size, None),
            ("normalization", normalization, 1),
            ("seed", seed, 0),
        ):
            if value is not unset and value != unset:
                raise ValueError(f"{name} means nothing with algorithm='ram', got {value!r}")
        if self.avg_size <= RAM_TAIL:
            raise ValueError(
                f"avg_size must be more than {RAM_TAIL} with algorithm='ram', got {self.avg_size}"
            )


def _bounded(name: str, value: Any) -> int:
    size = size_option(name, value)
    least, most = _BOUNDS[name]
    if not least <= size <= most:
        raise ValueError(f"{name} must be from {least} to {most}, got {size}")
    return size


def checked_digest(digest: Any) -> Any:
    """A callable, or None."""
    if digest is not None and not callable(digest):
        raise TypeError(f"digest must be callable, got {type(digest).__name__}")
    return digest


def digest_of(digest: Any, data: Any) -> Any:
    """What ``digest`` makes of a chunk: of an object of ``hashlib``, its digest."""
    made = digest(data)
    finish = getattr(made, "digest", None)
    return made if finish is None else finish()


def checked_chunk(data: Any, offset: Any, digest: Any) -> tuple[Any, int, Any]:
    """The arguments of ``Chunk``."""
    if not isinstance(data, str):
        try:
            memoryview(data)
        except TypeError:
            raise TypeError(f"data must be bytes-like or str, got {type(data).__name__}") from None
    start = count_option("offset", offset)
    if start >> 63:
        raise ValueError(f"offset must be less than 2**63, got {shown(start)}")
    return data, start, digest


def plain_data(data: Any) -> Any:
    """The data of a chunk as something that can be pickled."""
    return data if isinstance(data, (bytes, str)) else bytes(data)
