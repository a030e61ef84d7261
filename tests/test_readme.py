"""README is true: its example prints what it says, its commands exist and succeed, its layers are those of the test."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import tensorgrad as tg
from tensorgrad.cli import main
from tests.test_layers import LAYERS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE, OUTPUT = re.findall(r"```(?:python|text)\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^\$ tensorgrad (.*)$", README, re.MULTILINE)


def stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def test_the_example_prints_what_it_says() -> None:
    done = subprocess.run([sys.executable, "-c", EXAMPLE], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert stripped(done.stdout) == stripped(OUTPUT), f"README should show:\n{done.stdout}"


def test_the_sessions_are_true() -> None:
    text = "\n".join(re.findall(r"```pycon\n(.*?)```", README, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(text, {"tg": tg}, "README", "README.md", 0)
    assert len(test.examples) > 2
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_succeed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(main, shlex.split(command))
    assert done.exit_code == 0, done.output


def test_every_command_is_shown() -> None:
    shown = {command.split()[0] for command in COMMANDS} | set(re.findall(r"tensorgrad (\w+)$", README, re.MULTILINE))
    assert set(main.commands) <= shown | {"bench"}


def test_the_layers_are_those_of_the_test() -> None:
    section = README.partition("## Layers")[2].partition("## License")[0]
    named = re.findall(r"`(\w+)`", re.sub(r"\([^()]*\)", "", section.partition("`):\n")[2] or section))
    known = [name for names in LAYERS for name in names if name != "__main__"]
    assert [name for name in named if name in known] == known
