"""What ``tokenizers`` makes of a text, and a core of either backend compared with it."""

from __future__ import annotations


def core_of(backend, bpe):
    return backend.BPECore(
        bpe.ranks, bpe.pattern, bpe.special_tokens, merges=bpe.merges, whole_pieces=bpe.whole_pieces,
        normalization=bpe.normalization, template=bpe.template, token_flags=bpe.token_flags, decoding=bpe.decoding,
    )  # fmt: skip


def unless_panic(call):
    """What ``call`` gives; None where ``tokenizers`` falls over its own offsets."""
    try:
        return call()
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return None


def of_tokenizers(theirs, text):
    """Its ids; None where it falls (a blank that is a token, in blanks that another one took)."""
    return unless_panic(lambda: theirs.encode(text, add_special_tokens=False).ids)


def in_cuts(rng, text):
    while text:
        size = rng.choice((1, 1, 2, 3, 8))
        yield text[:size]
        text = text[size:]


def streamed(backend, core, fragments):
    engine = backend.BPEEncoder(core, allowed_special="all")
    arrays = [array for fragment in fragments for array in engine.feed(fragment)] + engine.finish()
    return [number for array in arrays for number in array.tolist()]


def assert_same(backend, core, theirs, rng, text):
    """Ids, streamed ids and decoded text are those of ``tokenizers``."""
    wanted = of_tokenizers(theirs, text)
    if wanted is None:
        wanted = core.encode_to_list(text, allowed_special="all")
    assert core.encode_to_list(text, allowed_special="all") == wanted, ascii(text)
    assert streamed(backend, core, in_cuts(rng, text)) == wanted, ascii(text)
    for skip in (False, True):
        expected = theirs.decode(wanted, skip_special_tokens=skip)
        assert core.decode(wanted, skip_special_tokens=skip) == expected, ascii(text)
