from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from typer.testing import CliRunner

from textxfer.cli.corpus_cmd import app
from textxfer.corpus.card import stats
from textxfer.corpus.read import read
from textxfer.errors import CorpusError

TWEE = """:: StoryTitle
The [red]Gate[/red]

:: Start
You stand at the gate, and the gate, which has seen worse than you, stands where it always stood.
[[Open it->Yard]]
[[Go home->Home]]
[[Climb it->Nowhere]]

:: Yard
Cobbles, a bell, a mule.
[[Go home->Home]]

:: Home
Your supper is cold.
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "gate.twee").write_text(TWEE)
    (folder / "notes.pdf").write_bytes(b"%PDF")
    return folder


@pytest.fixture
def bytewise(tmp_path: Path) -> Path:
    """A tokenizer whose tokens are the bytes."""
    alphabet = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.enable_truncation(5)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


FIGURES = {"stories": 1, "passages": 3, "choices": 3, "endings": 1, "words": 28, "tokens": 141}
DROPPED = [
    {
        "name": "gate.twee",
        "reason": "the choice 'Climb it' of 'Start' leads to 'Nowhere', which names no passage",
    },
    {
        "name": "notes.pdf",
        "reason": "format .pdf is not read; known: .jsonl, .markdown, .md, .tw, .twee, .txt",
    },
]


def test_stats_of_a_path_and_of_a_reading(shelf: Path, bytewise: Path) -> None:
    assert stats(shelf, tokenizer=bytewise) == {**FIGURES, "dropped": DROPPED}
    assert stats(read(shelf), tokenizer=bytewise.parent) == {**FIGURES, "dropped": DROPPED}


def test_a_tokenizer_that_is_none_is_one_clear_line(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"There is no tokenizer '.*none.json'; name a tokenizer.json"):
        stats(shelf, tokenizer=tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(CorpusError, match=r"'.*bad.json' is no tokenizer of the tokenizers library: "):
        stats(shelf, tokenizer=tmp_path / "bad.json")


def test_the_command_prints_one_json_object_last(shelf: Path, bytewise: Path) -> None:
    result = CliRunner().invoke(app, ["stats", str(shelf), "--json", "--tokenizer", str(bytewise)])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1]) == {**FIGURES, "dropped": DROPPED}


def test_the_command_prints_tables_for_people(shelf: Path, bytewise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    result = CliRunner().invoke(app, ["stats", str(shelf), "--tokenizer", str(bytewise)])
    rows = [" ".join(line.replace("│", " ").split()) for line in result.stdout.splitlines()]
    at = rows.index("The [red]Gate[/red] unknown 3 3 1 28 141")
    assert rows[at + 1] == "the-red-gate-red"  # what corpus show --story takes
    assert f"notes.pdf {DROPPED[1]['reason']}" in rows


def test_show_prints_a_walk(shelf: Path) -> None:
    result = CliRunner().invoke(app, ["show", str(shelf), "--story", "the-red-gate-red"])
    assert result.stdout.startswith("You stand at the gate, and")
    assert "\n> Go home\nYour supper is cold.\n" in result.stdout
    unknown = CliRunner().invoke(app, ["show", str(shelf), "--story", "the-red-gate"])
    assert str(unknown.exception) == (
        "There is no story 'the-red-gate'. Did you mean 'the-red-gate-red'? Known: the-red-gate-red."
    )


def test_reading_and_splitting_import_no_torch() -> None:
    code = (
        "import sys, textxfer.cli.corpus_cmd, textxfer.corpus; light = set(sys.modules)\n"
        "import textxfer.corpus.card, textxfer.corpus.split, textxfer.corpus.render\n"
        "from textxfer.corpus.formats import formats; from textxfer.corpus.dedupe import near_duplicates\n"
        "formats.names(); near_duplicates(['one two three four five six'])\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules, 'numpy' in light, 'ftfy' in light)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "False False False False\n"
