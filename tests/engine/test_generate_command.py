"""``textxfer generate``."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from textxfer.cli.generate import generate
from textxfer.engine import Engine, GenerateRequest, Sampling
from textxfer.errors import ConfigError, PromptTooLong

app = typer.Typer()
app.command()(generate)


@pytest.fixture
def folder(model_folder: Path) -> str:
    return str(model_folder)


def wanted(folder: str, sampling: Sampling) -> str:
    engine = Engine.load(folder)
    text, _ = engine.complete(GenerateRequest(tuple(engine.encode("You open")), sampling))
    engine.close()
    return text


def test_the_text_is_printed(folder: str) -> None:
    result = CliRunner().invoke(app, [folder, "--prompt", "You open", "--tokens", "9", "--seed", "1"])
    assert result.exit_code == 0, result.output
    assert result.stdout == wanted(folder, Sampling(max_tokens=9, seed=1)) + "\n"


@pytest.mark.parametrize(
    ("option", "value", "sampling"),
    [
        ("--temperature", "2", Sampling(max_tokens=30, seed=1, temperature=2)),
        ("--top-k", "3", Sampling(max_tokens=30, seed=1, top_k=3)),
        ("--top-p", "0.5", Sampling(max_tokens=30, seed=1, top_p=0.5)),
        ("--min-p", "0.3", Sampling(max_tokens=30, seed=1, min_p=0.3)),
        ("--repetition-penalty", "2", Sampling(max_tokens=30, seed=1, repetition_penalty=2)),
    ],
)
def test_options_reach_the_sampling(folder: str, option: str, value: str, sampling: Sampling) -> None:
    args = [folder, "--prompt", "You open", "--tokens", "30", "--seed", "1", option, value]
    text = wanted(folder, sampling)
    assert CliRunner().invoke(app, args).stdout == text + "\n"
    assert text != wanted(folder, Sampling(max_tokens=30, seed=1))


def test_with_json_the_last_line_is_one_object(folder: str) -> None:
    args = [folder, "--prompt", "You open", "--tokens", "9", "--seed", "1", "--json"]
    result = CliRunner().invoke(app, args)
    text = wanted(folder, Sampling(max_tokens=9, seed=1))
    assert result.stdout.startswith(text + "\n")
    assert json.loads(result.stdout[len(text) + 1 :]) == {
        "run": folder,
        "prompt": "You open",
        "text": text,
        "finish": "length",
        "prompt_tokens": 2,
        "completion_tokens": 9,
        "seed": 1,
    }
    assert result.stdout.count("\n", len(text) + 1) == 1


def test_a_stop_string_ends_the_text(folder: str) -> None:
    text = wanted(folder, Sampling(max_tokens=30, seed=1))
    stop = text[5:7]
    args = [folder, "--prompt", "You open", "--tokens", "30", "--seed", "1", "--stop", stop, "--json"]
    answer = json.loads(CliRunner().invoke(app, args).stdout.splitlines()[-1])
    assert (answer["text"], answer["finish"]) == (text[: text.index(stop)], "stop")


def test_the_text_comes_piece_by_piece(folder: str) -> None:
    class Pieces(io.StringIO):
        def __init__(self) -> None:
            super().__init__()
            self.flushed = [""]

        def flush(self) -> None:
            if self.getvalue() != self.flushed[-1]:
                self.flushed.append(self.getvalue())

    with contextlib.redirect_stdout(Pieces()) as out:
        generate(folder, "You open", tokens=20, seed=1)
    assert len(out.flushed) > 5
    assert out.flushed[-1] == wanted(folder, Sampling(max_tokens=20, seed=1)) + "\n"


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (["--prompt", "x" * 300], PromptTooLong, "The prompt has 300 tokens; the model's context holds 64"),
        (
            ["--prompt", "x", "--temperature", "-1"],
            ConfigError,
            "temperature is -1.0; it must lie between 0.0 and 100.0.",
        ),
    ],
)
def test_a_wrong_option_gives_one_line(folder: str, args: list[str], error: type[Exception], message: str) -> None:
    result = CliRunner().invoke(app, [folder, *args])
    assert type(result.exception) is error
    assert str(result.exception).startswith(message)
    assert "\n" not in str(result.exception)
    assert result.stdout == ""
