"""A tokenizer of a directory, or of a model's name in the local cache of Hugging Face; the network where it is asked.

A directory has ``tokenizer.json``, and may have ``tokenizer_config.json``: ``add_bos_token`` and ``add_eos_token`` say
what stands around a text, and ``added_tokens_decoder`` names special tokens, those of a chat among them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from .._shared.added_tokens import ALWAYS, FLAGS
from .reading import Part, load_json, read_file, shown
from .tokenizer_json import load_tokenizer_json
from .vocabulary import Vocabulary

__all__ = ["load_pretrained"]

TOKENIZER, CONFIG = "tokenizer.json", "tokenizer_config.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def load_pretrained(
    source: str | PathLike[str], revision: str = "main", *, download: bool = False
) -> Vocabulary:
    """The vocabulary of a directory or a name; FileNotFoundError says where it was looked for."""
    directory = Path(source)
    if not fspath(source) or not directory.is_dir():
        directory = _of_name(fspath(source), revision, download)
    path = directory / TOKENIZER
    if not path.is_file():
        raise FileNotFoundError(f"{directory} has no {TOKENIZER}")
    vocabulary = load_tokenizer_json(path)
    config = directory / CONFIG
    return _configured(vocabulary, config) if config.is_file() else vocabulary


def cache_directory() -> Path:
    """Where Hugging Face keeps models, by the variables of the environment that it reads."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser()
    home = os.environ.get("HF_HOME")
    if not home:
        home = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser() / "hub"


def _of_name(name: str, revision: str, download: bool) -> Path:
    if not _NAME.fullmatch(name) or ".." in name:
        raise FileNotFoundError(f"{name!r} is no directory, and no name of a model")
    if ".." in revision or revision.startswith("/"):
        raise ValueError(f"revision {revision!r} is no name of one")
    cached = cache_directory() / ("models--" + name.replace("/", "--"))
    found = _snapshot(cached, revision)
    if found is not None and (found / TOKENIZER).is_file():
        return found
    if download:
        return _downloaded(name, revision)
    raise FileNotFoundError(
        f"{name!r} is no directory, and {cached} has no {TOKENIZER} of its revision {revision!r}; "
        "download=True asks huggingface_hub for it"
    )


def _snapshot(cached: Path, revision: str) -> Path | None:
    """The directory of a revision, or of a commit, in the cache."""
    commit = revision
    if not _COMMIT.fullmatch(revision):
        reference = cached / "refs" / revision
        if not reference.is_file():
            return None
        commit = reference.read_text("utf-8").strip()
        if not _COMMIT.fullmatch(commit):
            raise ValueError(f"{reference} has no commit, but {shown(commit)}")
    return cached / "snapshots" / commit


def _downloaded(name: str, revision: str) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError
    except ImportError:
        raise ImportError("download=True needs huggingface_hub, which is not installed") from None
    path = Path(huggingface_hub.hf_hub_download(name, TOKENIZER, revision=revision))
    try:
        huggingface_hub.hf_hub_download(name, CONFIG, revision=revision)
    except EntryNotFoundError:
        return path.parent
    return path.parent


def _configured(vocabulary: Vocabulary, path: Path) -> Vocabulary:
    """What ``tokenizer_config.json`` changes."""
    config = load_json(read_file(path, fspath(path)), fspath(path))
    config.expect(dict)
    special = dict(vocabulary.special_tokens)
    flags = dict(vocabulary.token_flags or {})
    for text, number, kept in list(_added(config, special)):
        special[text], flags[text] = number, kept
    first, last = (list(side) for side in vocabulary.template)
    for name, side, place in (("bos", first, 0), ("eos", last, len(last))):
        wanted = config[f"add_{name}_token"].expect(bool, or_null=True)
        if wanted is None:
            continue
        found = _named(config[f"{name}_token"], special, vocabulary.ranks, wanted)
        if found is not None and wanted and found not in side:
            side.insert(place, found)
        elif found is not None and not wanted and found in side:
            side.remove(found)
    template = tuple(first), tuple(last)
    return vocabulary._replace(special_tokens=special, template=template, token_flags=flags)


def _added(config: Part, known: Mapping[str, int]) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """The tokens of ``added_tokens_decoder`` that ``tokenizer.json`` lacks, their ids and flags."""
    entries = config["added_tokens_decoder"]
    for key in entries.expect(dict, or_null=True) or ():
        entry = entries[key]
        entry.expect(dict)
        text = entry["content"].expect(str)
        if not key.isascii() or not key.isdigit() or len(key) > 10:
            raise entry.error("must have an id for its key")
        if text in known:
            if known[text] != int(key):
                raise entry.error(f"has the id {key}, which is {known[text]} in {TOKENIZER}")
            continue
        flags = [flag for flag in FLAGS if entry[flag].expect(bool, or_null=True)]
        special = entry["special"].expect(bool, or_null=True)
        yield text, int(key), tuple(flags if special else [*flags, ALWAYS])


def _named(part: Part, special: Mapping[str, int], ranks: Mapping[bytes, int], wanted: bool) -> int | None:
    """The id of a token that is given as text, or as an object with its content."""
    value: Any = part.value
    if isinstance(value, dict):
        value = part["content"].expect(str)
    if value is None and not wanted:
        return None
    if not isinstance(value, str):
        raise part.error(f"must be a token, got {shown(value)}")
    number = special.get(value, ranks.get(value.encode("utf-8", "replace")))
    if number is None and wanted:
        raise part.error(f"{shown(value)} is not in the vocabulary")
    return number
