"""docs/cli.md and --help speak of the same commands and options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

click = pytest.importorskip("click")

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def commands() -> dict[str, click.Command]:
    from streamcore.cli.commands import COMMANDS, group

    context = click.Context(group)
    return {name: found for name in COMMANDS if (found := group.get_command(context, name)) is not None}


@pytest.mark.skipif(not PAGE.is_file(), reason="the tests run without the rest of the checkout")
def test_the_page_has_each_verb_and_option_of_the_help_and_no_other() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \| ", text, re.MULTILINE))
    known = {"--help", "--version"}
    for name, command in commands().items():
        assert name in rows, name
        for param in command.params:
            if isinstance(param, click.Option):
                known.update(param.opts, param.secondary_opts)
                for names in filter(None, (param.opts, param.secondary_opts)):
                    assert re.search(rf"(?<![\w-])({'|'.join(names)})(?![\w-])", text), f"{name} {names}"
    assert {
        option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text) if option not in known
    } == set()


def test_the_overview_says_what_each_command_says_first() -> None:
    from streamcore.cli.commands import COMMANDS

    assert set(commands()) == set(COMMANDS)
    for name, command in commands().items():
        assert command.help, name
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help, (name, param.opts)
