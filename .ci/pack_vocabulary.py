"""Pack a .tiktoken file with ranks from 0 without holes: ``pack_vocabulary.py r50k_base.tiktoken OUT.gz``.

The packed file is gzip of: the number of tokens (u32, little-endian), their lengths (a byte each), their bytes. It is
half as long as the file compressed as it is, and needs no base64 to read.
"""

import gzip
import struct
import sys
from pathlib import Path

from streamcore.vocab.tiktoken_file import read_tiktoken


def pack(source: str, target: str) -> None:
    ranks = read_tiktoken(Path(source).read_bytes(), source)
    tokens = sorted(ranks, key=ranks.__getitem__)
    if [ranks[token] for token in tokens] != list(range(len(tokens))) or max(map(len, tokens)) > 255:
        sys.exit(f"{source}: ranks with holes, or a token of more than 255 bytes")
    data = struct.pack("<I", len(tokens)) + bytes(map(len, tokens)) + b"".join(tokens)
    # no time in the header: the same input packs to the same file
    Path(target).write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    pack(*sys.argv[1:])
