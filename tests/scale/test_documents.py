"""Records in blocks through an encoder, long ones as streams."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest

from streamcore import BPE, UTF8, Lines, ops
from streamcore.scale import BadRecord, RecordBlock
from streamcore.scale import documents as module
from streamcore.scale.documents import Documents, documents
from streamcore.stages.tokens import TokenEncoder


def read(made: Iterable[Documents]) -> list[tuple[str, int, list[int]]]:
    return [
        (each.uri, place, ids)
        for each in made
        for place, ids in zip(each.offsets, lists_of(each.contents), strict=True)
    ]


def lists_of(contents: Any) -> list[list[int]]:
    if isinstance(contents, module.LongIds):
        return [[number for ids in contents for number in ids.tolist()]]
    return [ids.tolist() for ids in contents]


def test_any_blocks_give_each_record_once_in_order(gpt2: BPE, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    for _ in range(60):
        blocks, wanted = [], []
        at = 0
        for _ in range(draw.randint(0, 6)):
            uri = draw.choice("ab")
            texts = ["é word 12" * draw.choice([0, 0, 1, 2, 9]) for _ in range(draw.randint(1, 5))]
            places = list(range(at, at + len(texts)))
            at += len(texts)
            given: list[Any] = [text.encode() if draw.random() < 0.5 else text for text in texts]
            blocks.append(RecordBlock(uri, places, given))
            wanted += [
                (uri, place, gpt2.encode_to_list(text)) for place, text in zip(places, texts, strict=True)
            ]
        for limit in (1, 20, 1000):
            monkeypatch.setattr(module, "BLOCK", limit)
            monkeypatch.setattr(module, "STREAMED", draw.choice([10, 40, 1 << 20]))
            monkeypatch.setattr(module, "STEP", draw.choice([1, 7, 1 << 20]))
            given = [RecordBlock(uri, places, list(texts)) for uri, places, texts in blocks]
            assert read(documents(gpt2.encoder(), given)) == wanted


def test_blocks_reach_over_reads_and_not_over_files(gpt2: BPE, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    encode = TokenEncoder.encode_batch

    def seen(self: TokenEncoder, texts: list[str], threads: int = 1) -> Any:
        sizes.append(sum(map(len, texts)))
        return encode(self, texts, threads)

    monkeypatch.setattr(TokenEncoder, "encode_batch", seen)
    record = "word " * 200
    blocks = [RecordBlock("a", list(range(250)), [record] * 250) for _ in range(10)]
    blocks.append(RecordBlock("b", [0] * 4000, [record] * 4000))
    list(documents(gpt2.encoder(), blocks))
    assert sum(sizes) == 6_500_000
    assert sizes[:3] == [1_000_000, 1_000_000, 500_000]
    assert all(900_000 < size <= module.BLOCK for size in sizes[3:-1])


def test_a_long_record_and_its_ids_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STREAMED", 1 << 20)
    monkeypatch.setattr(module, "STEP", 1 << 16)
    gpt2 = BPE.gpt2(cache_bytes=0)  # the twin's pieces are objects of Python, which are counted
    text = "".join(f"word{n % 100} " for n in range(160_000))
    list(gpt2.encoder().stream(text[:1000]))  # makes what streams need to know of the vocabulary
    tracemalloc.start()
    try:
        blocks = [RecordBlock("a", [0], [text + "end"])]
        assert len(text) > module.STREAMED
        (found,) = documents(gpt2.encoder(), iter(blocks))
        count = sum(map(len, found.contents))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert blocks[0].contents == [""]
    assert count == gpt2.count(text + "end")
    assert held < len(text) / 4
    assert peak < 3 * len(text)


def test_what_fails_is_told_with_its_place(gpt2: BPE, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {0: "good", 5: "fine", 10: "a <|endoftext|>", 15: "x"}

    def blocks(count: int) -> list[RecordBlock]:
        places = list(texts)
        return [
            RecordBlock("u", places[at : at + count], [texts[place] for place in places[at : at + count]])
            for at in range(0, len(places), count)
        ]

    for limit, count in ((1, 1), (1, 2), (1 << 20, 2)):
        monkeypatch.setattr(module, "STREAMED", limit)
        with pytest.raises(ValueError, match="endoftext") as caught:
            read(documents(gpt2.encoder(), blocks(count)))
        assert "in the record at byte 10 of u" in caught.value.__notes__
    found = list(documents(gpt2.encoder(allowed_special="all"), blocks(2)))
    assert found[-1].contents[-2].tolist()[-1] == 50256
    with pytest.raises(UnicodeDecodeError) as wrong:
        list(documents(UTF8(errors="strict") | gpt2.encoder(), [RecordBlock("u", [0, 3], [b"x", b"\xff"])]))
    assert "in the record at byte 3 of u" in wrong.value.__notes__
    with pytest.raises(BadRecord, match="u: text for the encoder is due, got list, at byte 0"):
        list(documents(Lines(as_=str) | ops.map(str) | gpt2.encoder(), [RecordBlock("u", [0], [b"x"])]))
