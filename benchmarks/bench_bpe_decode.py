"""BPE decoding: S20 (a stream of ids, one at a time), the same with stop strings, and whole arrays.

Peers: the ``DecodeStream`` of Hugging Face tokenizers with the same vocabulary, and ``tiktoken.Encoding.decode`` for
whole lists (it does not stream). ``pytest benchmarks/bench_bpe_decode.py`` prints all of it, per ``TOKENS`` ids; set
``STREAMCORE_BPE_CORPUS`` to real text (see bpe_corpora.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bpe_corpora import KINDS, PATTERNS, ranks, text

TOKENS = 5000  # of each text, from its middle
STOP = ("<|im_end|>", "\n\nUser:", "</answer>")
Decode = Callable[[], str]


@pytest.fixture(scope="module")
def core() -> Callable[[str, str], Any]:
    """``core(who, vocabulary)``, made once."""
    made: dict[tuple[str, str], Any] = {}

    def build(who: str, name: str) -> Any:
        if (who, name) not in made:
            module = pytest.importorskip(f"streamcore._{who}.bpe.core")
            made[who, name] = module.BPECore(ranks(name), PATTERNS[name])
        return made[who, name]

    return build


@pytest.fixture(scope="module")
def ids(core) -> Callable[[str, str], list[int]]:
    def encode(name: str, kind: str) -> list[int]:
        whole = text(kind)
        return core("pure", name).encode_ordinary_to_list(whole[len(whole) // 2 :][: 8 * TOKENS])[:TOKENS]  # type: ignore[no-any-return]

    return encode


@pytest.fixture(scope="module")
def huggingface(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """A ``tokenizers.Tokenizer`` with the tokens of a vocabulary. It has no merges: it only decodes."""
    made: dict[str, Any] = {}

    def build(name: str) -> Any:
        if name not in made:
            tokenizers = pytest.importorskip("tokenizers")
            shown = byte_alphabet()
            byte_level = {
                "type": "ByteLevel",
                "add_prefix_space": False,
                "trim_offsets": True,
                "use_regex": True,
            }
            vocabulary = {"".join(shown[byte] for byte in token): rank for token, rank in ranks(name).items()}
            model = {"type": "BPE", "vocab": vocabulary, "merges": []}
            content = {"version": "1.0", "pre_tokenizer": byte_level, "decoder": byte_level, "model": model}
            path = tmp_path_factory.mktemp("huggingface") / f"{name}.json"
            path.write_text(json.dumps(content), "utf-8")
            made[name] = tokenizers.Tokenizer.from_file(str(path))
        return made[name]

    return build


def byte_alphabet() -> list[str]:
    """The character that byte-level models write for each byte."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def engine(core: Callable[[str, str], Any], who: str, name: str, **options: Any) -> Any:
    module = pytest.importorskip(f"streamcore._{who}.bpe.decoder")
    return module.BPEDecoder(core(who, name), **options)


def decode_stream(tokenizer: Any, numbers: list[int]) -> list[str]:
    from tokenizers.decoders import DecodeStream

    step = DecodeStream(skip_special_tokens=False).step
    return [part for number in numbers if (part := step(tokenizer, number)) is not None]


def fed(feed: Callable[[int], list[str]], numbers: list[int]) -> list[str]:
    return [part for number in numbers for part in feed(number)]


@pytest.mark.parametrize("who", ["native", "native stage", "pure", "huggingface"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PATTERNS)
def test_s20_one_id_at_a_time(benchmark, core, huggingface, ids, name: str, kind: str, who: str) -> None:
    numbers = ids(name, kind)
    wanted = core("pure", name).decode_bytes(numbers)
    if who == "huggingface":
        tokenizer = huggingface(name)

        def run() -> list[str]:
            return decode_stream(tokenizer, numbers)

    elif who == "native stage":
        decoder = engine(core, "native", name)

        def run() -> list[str]:
            decoder.reset()
            return list(decoder.iterate(iter(numbers)))

    else:
        decoder = engine(core, who, name)

        def run() -> list[str]:
            decoder.reset()
            return fed(decoder.feed, numbers)

    # the last character may not be whole
    assert wanted.decode("utf-8", "ignore").startswith("".join(run()).rstrip("\ufffd"))
    assert len("".join(run()).encode()) >= len(wanted) - 8
    benchmark.group = f"S20 {name} {kind}: {len(numbers)} ids"
    benchmark.extra_info["bytes"] = len(wanted)
    benchmark.extra_info["ids"] = len(numbers)
    benchmark.pedantic(run, rounds=60 if "native" in who else 15, warmup_rounds=2)


@pytest.mark.parametrize("who", ["native", "pure"])
@pytest.mark.parametrize("kind", KINDS)
def test_s20_with_stop_strings(benchmark, core, ids, kind: str, who: str) -> None:
    numbers = ids("cl100k", kind)
    decoder = engine(core, who, "cl100k", stop=STOP)

    def run() -> list[str]:
        decoder.reset()
        return fed(decoder.feed, numbers) + decoder.finish()

    assert "".join(run()) == core("pure", "cl100k").decode(numbers)
    benchmark.group = f"S20 cl100k {kind}, three stop strings: {len(numbers)} ids"
    benchmark.extra_info["ids"] = len(numbers)
    benchmark.pedantic(run, rounds=60 if who == "native" else 15, warmup_rounds=2)


@pytest.mark.parametrize("who", ["native", "native list", "pure", "tiktoken"])
@pytest.mark.parametrize("kind", KINDS)
def test_whole_text(benchmark, core, kind: str, who: str) -> None:
    numbers = core("native", "cl100k").encode_ordinary(text(kind))
    listed = numbers.tolist()
    wanted = text(kind)
    if who == "tiktoken":
        encoding = pytest.importorskip("tiktoken").Encoding(
            "cl100k", pat_str=PATTERNS["cl100k"], mergeable_ranks=ranks("cl100k"), special_tokens={}
        )

        def run() -> str:
            return encoding.decode(listed)  # type: ignore[no-any-return]

    else:
        decoder = engine(core, who.split()[0], "cl100k")
        given = numbers if who == "native" else listed

        def run() -> str:
            return decoder.feed(given)[0]  # type: ignore[no-any-return]

    assert run() == wanted
    benchmark.group = f"whole text {kind}: {len(numbers)} ids"
    benchmark.extra_info["bytes"] = len(wanted.encode())
    benchmark.pedantic(run, rounds=9, warmup_rounds=1)
