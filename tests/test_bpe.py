"""``BPE`` as users have it: made, named, pickled, many texts at once. What it encodes: ``bpe/`` and ``vocab/``."""

from __future__ import annotations

import pickle

import pytest

from streamcore import BPE, TokenBatch

END = "<|endoftext|>"


@pytest.fixture(scope="module")
def bpe():
    return BPE.gpt2()


def test_embedded_vocabulary_tokenizes_without_anything_else(bpe):
    assert bpe.encode("Hello world").tolist() == [15496, 995]
    assert bpe.decode([15496, 995]) == "Hello world"
    assert repr(bpe) == "BPE(50257 ids)"


def test_batch_is_a_sequence_of_arrays(bpe):
    batch = bpe.encode_batch(["Hello world", "", "a b"], threads=2)
    assert isinstance(batch, TokenBatch)
    assert len(batch) == 3
    assert [ids.tolist() for ids in batch] == [[15496, 995], [], [64, 275]]
    assert batch[-1].tolist() == batch[2].tolist() == [64, 275]
    assert [ids.tolist() for ids in batch[1:]] == [[], [64, 275]]
    assert batch.ids.tolist() == [15496, 995, 64, 275]
    assert batch.offsets.tolist() == [0, 2, 2, 4]
    assert repr(batch) == "TokenBatch(3 texts, 4 ids)"
    with pytest.raises(IndexError, match="index 3 of a batch of 3 texts"):
        batch[3]


def test_from_ranks_and_a_pickled_copy():
    ranks = {bytes((value,)): value for value in range(256)} | {b"ab": 256}
    bpe = BPE.from_ranks(ranks, BPE.gpt2().pattern, {END: 300}, cache_bytes=1 << 16)
    copy = pickle.loads(pickle.dumps(bpe))
    assert type(copy) is BPE
    for each in (bpe, copy):
        assert each.encode(f"abc{END}", allowed_special="all").tolist() == [256, 99, 300]
        assert each.cache_bytes == 1 << 16
