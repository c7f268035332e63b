"""The section ``added_tokens`` of a ``tokenizer.json``: the ids of the tokens, and by which flags they are found."""

from __future__ import annotations

from collections.abc import Mapping

from .._shared.added_tokens import ALWAYS, FLAGS, TokenFlags
from .._shared.normalizers import Normalization, Normalizer
from .._shared.vocabulary import is_unicode
from .reading import Part, shown

__all__ = ["AddedSection", "check_numbers"]


class AddedSection:
    """The added tokens of a file, special or not."""

    def __init__(self, entries: Part, normalization: Normalization) -> None:
        self.ids: dict[str, int] = {}
        self.flags: TokenFlags = {}
        special: set[str] = set()
        self.decoded: list[str] = []
        """What they are before they are decoded."""
        self._numbers: set[int] = set()
        self._normal: set[str] = set()
        self._normalizer = Normalizer(normalization)
        for i in range(len(entries.expect(list, or_null=True) or ())):
            self._take(entries[i], special)
        # tokenizers knows a special token by its text, which normalization may have changed
        self.plain = [
            number
            for text, number in zip(self.decoded, self.ids.values(), strict=True)
            if text not in special
        ]
        """Ids of those that are not special."""

    def _take(self, entry: Part, special: set[str]) -> None:
        entry.expect(dict)
        for field in entry.value:
            if field not in ("id", "content", "special", *FLAGS):
                raise entry[field].error(f"is not supported, got {shown(entry.value[field])}")
        text, number = entry["content"].expect(str), entry["id"].identifier()
        if not text or not is_unicode(text):
            raise entry["content"].error(f"must be text of whole characters, got {shown(text)}")
        if text in self.ids or number in self._numbers:
            raise entry.error(f"the token {shown(text)} or its id {number} stands above already")
        self.ids[text] = number
        self._numbers.add(number)
        flags = [flag for flag in FLAGS if entry[flag].expect(bool, or_null=True)]
        decoded = text
        if "normalized" in flags:
            decoded = self._normalizer(text)
            if not decoded or decoded in self._normal:
                raise entry["content"].error(
                    f"{shown(text)} is normalized to {shown(decoded)}, which is empty or that of a token above"
                )
            self._normal.add(decoded)
        self.decoded.append(decoded)
        if entry["special"].expect(bool, or_null=True):
            special.add(text)
        else:
            flags.append(ALWAYS)
        self.flags[text] = tuple(flags)


def check_numbers(entries: Part, vocab: Mapping[str, int]) -> None:
    """ValueError where ``tokenizers``, which numbers tokens on from the size of the vocabulary, has another id."""
    following = len(vocab)
    for i in range(len(entries.value or ())):
        entry = entries[i]
        number = vocab.get(entry.value["content"], following)
        following += entry.value["content"] not in vocab
        if entry.value["id"] != number:
            raise entry["id"].error(
                f"must be {number}, the id that tokenizers gives to {shown(entry.value['content'])}, "
                f"got {entry.value['id']}"
            )
