"""``streamcore cdc``, run in this process."""

from __future__ import annotations

import hashlib
import json
import random

import numpy as np
import pytest

pytest.importorskip("click")

from streamcore import ContentDefined
from streamcore.cli.commands import run


def test_chunks_in_each_format(tmp_path, capfdbinary):
    data = random.Random(4).randbytes(50_000)
    path = tmp_path / "data"
    path.write_bytes(data)
    chunks = list(ContentDefined(1024, digest=hashlib.sha256).stream(data))
    assert run(["cdc", str(path), "--avg-size", "1KiB"]) == 0
    lines = [f"{c.offset} {len(c.data)} {c.digest.hex()}" for c in chunks]
    assert capfdbinary.readouterr().out.decode().splitlines() == lines
    assert run(["cdc", str(path), "--avg-size", "1KiB", "--digest", "none"]) == 0
    assert capfdbinary.readouterr().out.decode().split()[:2] == ["0", str(len(chunks[0].data))]
    assert run(["cdc", str(path), "--avg-size", "1KiB", "-f", "jsonl", "--digest", "md5"]) == 0
    first = json.loads(capfdbinary.readouterr().out.splitlines()[0])
    assert first == {
        "offset": 0,
        "size": len(chunks[0].data),
        "digest": hashlib.md5(chunks[0].data).hexdigest(),
    }
    assert run(["cdc", str(path), "--avg-size", "1KiB", "-o", str(tmp_path / "starts.npy")]) == 0
    assert np.load(tmp_path / "starts.npy").tolist() == [c.offset for c in chunks] + [len(data)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--avg-size", "1"], "--avg-size must be from 256"),
        (["--avg-size", "none"], "--avg-size must be a size"),
        (["--digest", "nothing"], "no digest 'nothing' of one size; it has blake2b, "),
        (["--digest", "shake_128"], "no digest 'shake_128' of one size"),
        (["--algorithm", "ram", "--seed", "1"], "--seed means nothing with --algorithm ram, got 1"),
    ],
)
def test_bad_options(options, message, capfd):
    assert run(["cdc", *options]) == 2
    told = capfd.readouterr().err
    assert "Traceback" not in told
    assert message in told
