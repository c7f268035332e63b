"""What every stage does with its sources, in each of the four forms."""

from __future__ import annotations

import asyncio
import io

import pytest

from streamcore import BPE, UTF8, FixedSize, Lines, Words

TEXT = "one two\nthree é"
IDS = BPE.gpt2().encode_to_list(TEXT)
STAGES = [
    (Lines, [TEXT.encode(), io.BytesIO(TEXT.encode()), [TEXT.encode()]]),
    (lambda: FixedSize(4, as_=bytes), [TEXT.encode(), io.BytesIO(TEXT.encode()), [TEXT.encode()]]),
    (UTF8, [TEXT.encode(), io.BytesIO(TEXT.encode()), [TEXT.encode()]]),
    (lambda: Words(as_=str), [TEXT, TEXT.encode(), io.StringIO(TEXT), io.BytesIO(TEXT.encode()), [TEXT]]),
    (
        lambda: BPE.gpt2().encoder(),
        [TEXT, TEXT.encode(), io.StringIO(TEXT), io.BytesIO(TEXT.encode()), [TEXT]],
    ),
    (lambda: BPE.gpt2().decoder(), [IDS, tuple(IDS), iter(IDS)]),
]


@pytest.mark.parametrize(("make", "sources"), STAGES)
@pytest.mark.parametrize("form", ["stream", "transform", "astream", "atransform"])
def test_each_form_takes_the_same_sources(make, sources, form):
    async def gathered(source):
        return [chunk async for chunk in getattr(make(), form)(source)]

    whole = list(make().invoke(sources[0]))
    for source in sources:
        if hasattr(source, "seek"):
            source.seek(0)
        elif hasattr(source, "__next__"):
            source = iter(IDS)
        chunks = asyncio.run(gathered(source)) if form.startswith("a") else getattr(make(), form)(source)
        assert list(make().collect(chunks)) == whole, source


@pytest.mark.parametrize("form", ["stream", "transform", "astream", "atransform"])
def test_what_is_no_source_is_refused_at_once(form):
    with pytest.raises(TypeError, match="a bytes stage got a str"):
        getattr(Lines(), form)("text")
    with pytest.raises(TypeError, match="ids are due here, got str"):
        getattr(BPE.gpt2().decoder(), form)("text")
    with pytest.raises(TypeError, match="cannot stream bytes from int"):
        getattr(Words(), form)(5)
