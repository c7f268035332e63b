"""Every input of the committed corpora again, on the build under test: the fuzzers' targets as ordinary tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from backends import find
from fuzz.targets import TARGETS, target

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_of_the_fuzzer_find_no_difference(name):
    if find("native", "LinesEngine") is None:
        pytest.skip("extensions are not built: there is nothing to compare")
    play = target(name)
    inputs = (CORPUS / f"{name}.txt").read_text().split()
    assert len(inputs) >= 20
    for line in inputs:
        play(bytes.fromhex(line))


def test_each_corpus_belongs_to_a_target():
    assert {path.stem for path in CORPUS.iterdir()} == set(TARGETS)


def test_mutants_of_the_self_check_fit_the_sources():
    if not (ROOT / "streamcore").is_dir():
        pytest.skip("an installed package is tested, the sources are elsewhere")
    table = re.search(r"<<'TABLE'\n(.*?)^TABLE$", (CORPUS.parent / "run").read_text(), re.S | re.M)
    for row in table[1].splitlines():
        name, _, change, file = row.split("|")
        old = re.fullmatch(r"s/(.*)/.*/", change)[1].replace(r"\"", '"')
        assert name in TARGETS
        assert len(re.findall(old.replace("(", r"\(").replace(")", r"\)"), (ROOT / file).read_text())) == 1, (
            row
        )
