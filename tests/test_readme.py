"""What the README says is what happens: its commands and programs are run, in a folder as a reader would have it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (textxfer [^#\n]+?)\s*(?:#.*)?$", README, re.MULTILINE)
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def place(corpus, tiny_base, tmp_path_factory) -> Path:
    """corpus/ with stories, and a folder gpt2/ that stands for what the hub would give."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(corpus, folder / "corpus")
    shutil.copytree(tiny_base, folder / "gpt2")
    return folder


def test_the_readme_has_its_examples():
    assert len(COMMANDS) >= 8 and len(PROGRAMS) == 2
    assert {c.split()[1] for c in COMMANDS} == {"train", "generate", "eval", "play", "serve", "corpus"}


@pytest.mark.timeout(600)
def test_the_commands_in_their_order(place, monkeypatch, capsys):
    from textxfer.cli.main import main

    monkeypatch.chdir(place)
    for command in COMMANDS:
        words = shlex.split(command)[1:]
        if words[0] in {"serve", "play"}:  # these go on until they are left; the next tests have them
            continue
        if "--steps" in words:
            words[words.index("--steps") + 1] = "1"
        if words[:1] == ["train"]:
            words += ["--set", "sample.tokens=2", "--set", "schedule.epochs=0.2"]
        monkeypatch.setattr(sys, "argv", ["textxfer", *words])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code, (command, capsys.readouterr().err)
    assert {p.name for p in (place / "runs").iterdir()} == {"corpus", "demo"}


def test_playing(place):
    command = next(c for c in COMMANDS if c.split()[1] == "play")
    words = [sys.executable, "-m", *shlex.split(command)]
    played = subprocess.run(words, input="Open the gate\n/quit\n", cwd=place, capture_output=True, text=True)
    assert played.returncode == 0, played.stderr
    assert "You see the" in played.stdout


def test_the_library(place, monkeypatch, capsys):
    shutil.rmtree(place / "runs" / "corpus", ignore_errors=True)
    monkeypatch.chdir(place)
    exec(PROGRAMS[0].replace('method="lora"', 'method="lora", steps=1, quiet=True'), {})
    assert capsys.readouterr().out.strip()


def test_a_game_that_calls_the_server(place):
    command = next(c for c in COMMANDS if c.split()[1] == "serve").replace("8000", "0")
    words = [sys.executable, "-u", "-m", *shlex.split(command)]
    with subprocess.Popen(words, cwd=place, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = next(m.group() for line in server.stdout if (m := re.search(r"http://[\d.:]+", line)))
            program = PROGRAMS[1].replace("http://127.0.0.1:8000", url)
            said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
            assert said.returncode == 0, said.stderr
            assert said.stdout.strip()
        finally:
            server.terminate()


def test_the_guide_names_every_setting():
    from textxfer.config import known_keys

    guide = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert [key for key in known_keys() if f"`{key}`" not in guide] == []
