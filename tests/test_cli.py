"""The command line as a person meets it: help at once, one clear line for each mistake."""

from __future__ import annotations

import json
import pickle
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from textxfer.cli.main import main


def textxfer(*words: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "textxfer", *map(str, words)], capture_output=True, text=True)


def here(monkeypatch, capsys, *words: object) -> tuple[int, str, str]:
    """The same in this process: exit code, standard output, standard error."""
    monkeypatch.setattr(sys, "argv", ["textxfer", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def fault(monkeypatch, capsys, *words: object) -> str:
    """The one line a command ends with when it exits 2."""
    code, _, err = here(monkeypatch, capsys, *words)
    said = err.strip().splitlines()
    assert code == 2, said
    assert len(said) == 1 and said[0].startswith("textxfer: "), said
    return said[0]


def test_help_names_every_command_and_comes_without_torch():
    said = textxfer("--help")
    assert said.returncode == 0
    assert all(c in said.stdout for c in ("train", "generate", "eval", "play", "serve", "demo", "corpus", "pretrain"))
    code = "import sys, textxfer.cli.main as m; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_version():
    assert textxfer("--version").stdout.startswith("textxfer 0.")


def test_an_unknown_method_offers_the_nearest(monkeypatch, capsys, corpus, tmp_path):
    line = fault(
        monkeypatch, capsys, "train", corpus, "--base", "starter", "--method", "lorra", "--out", tmp_path / "r"
    )
    assert "There is no method 'lorra'. Did you mean 'lora'? Known: full, lora" in line
    assert not (tmp_path / "r").exists()


def test_an_unknown_option_of_a_method(monkeypatch, capsys, corpus, tmp_path):
    words = ("train", corpus, "--base", "starter", "--set", "method.rank=4", "--out", tmp_path / "r")
    assert "method.rank" in fault(monkeypatch, capsys, *words)
    words = ("train", corpus, "--base", "starter", "--set", "method.r=0", "--out", tmp_path / "r")
    assert "r is 0, it must be at least 1" in fault(monkeypatch, capsys, *words)


def test_an_unknown_setting_offers_the_nearest(monkeypatch, capsys, corpus, tmp_path):
    words = ("train", corpus, "--base", "starter", "--set", "optim.lrr=1", "--out", tmp_path / "r")
    assert "Did you mean 'optim.lr'?" in fault(monkeypatch, capsys, *words)
    assert not (tmp_path / "r").exists()


def test_a_base_that_cannot_be_had_names_the_starter(monkeypatch, capsys, corpus, tmp_path):
    line = fault(monkeypatch, capsys, "train", corpus, "--out", tmp_path / "r")  # gpt2, without a network
    assert "'gpt2'" in line and "--base starter" in line
    assert not (tmp_path / "r").exists()
    line = fault(monkeypatch, capsys, "train", corpus, "--base", "startr", "--out", tmp_path / "r")
    assert "Did you mean 'starter'?" in line
    line = fault(monkeypatch, capsys, "train", corpus, "--base", "./nowhere", "--out", tmp_path / "r")
    assert "There is no folder ./nowhere" in line


def test_a_pickled_checkpoint_is_refused_with_the_way_out(monkeypatch, capsys, corpus, tiny_base, tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (base / name).write_bytes((tiny_base / name).read_bytes())
    (base / "pytorch_model.bin").write_bytes(pickle.dumps({"never": "read"}))
    line = fault(monkeypatch, capsys, "train", corpus, "--base", base, "--out", tmp_path / "r")
    assert "pytorch_model.bin" in line and "safetensors" in line and "save_pretrained" in line


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("story.txt", b"\x00\x01\x02\xff" * 400, "story.txt"),
        ("story.txt", b"You see \xff\xfe\xfa the lamp. " * 40, "UTF-8"),
        ("story.twee", b"", "story.twee"),
        ("story.xyz", b"words", "xyz"),
        ("story.jsonl", b"{not json}\n", "story.jsonl"),
    ],
)
def test_files_that_cannot_be_read(monkeypatch, capsys, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    line = fault(monkeypatch, capsys, "train", tmp_path / name, "--base", "starter", "--out", tmp_path / "r")
    assert said in line
    assert not (tmp_path / "r").exists()


def test_an_empty_folder_and_a_missing_one(monkeypatch, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    line = fault(monkeypatch, capsys, "train", tmp_path / "empty", "--base", "starter", "--out", tmp_path / "r")
    assert "empty" in line and ".twee" in line
    line = fault(monkeypatch, capsys, "train", tmp_path / "missing", "--base", "starter", "--out", tmp_path / "r")
    assert "missing" in line


def test_a_corpus_too_small_to_split(monkeypatch, capsys, tmp_path):
    (tmp_path / "a.txt").write_text("You open the gate and see the lamp. " * 6)
    line = fault(monkeypatch, capsys, "train", tmp_path / "a.txt", "--base", "starter", "--out", tmp_path / "r")
    assert "words" in line


def test_a_port_in_use_is_told_before_the_training(monkeypatch, capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = fault(monkeypatch, capsys, "demo", "--port", port, "--out", tmp_path / "demo")
    assert f"Port {port}" in line and "--port" in line
    assert not (tmp_path / "demo").exists()


def test_what_is_no_run(monkeypatch, capsys, tmp_path):
    assert "is no run" in fault(monkeypatch, capsys, "eval", tmp_path)
    assert "there is no such folder" in fault(monkeypatch, capsys, "eval", tmp_path / "no")


def test_figures_of_a_corpus_as_json(corpus):
    said = textxfer("corpus", "stats", corpus, "--json")
    figures = json.loads(said.stdout.splitlines()[-1])
    assert set(figures) == {"stories", "passages", "choices", "endings", "words", "tokens", "dropped"}
    assert (figures["stories"], figures["passages"], figures["endings"]) == (1, 24, 1)


def test_training_judging_and_continuing(monkeypatch, capsys, corpus, tiny_base, tmp_path):
    def say(*words: object) -> dict:
        code, out, err = here(monkeypatch, capsys, *words, "--json")
        assert code == 0, err
        return json.loads(out.splitlines()[-1])

    out: Path = tmp_path / "run"
    words = ["train", corpus, "--base", tiny_base, "--method", "lora", "--steps", 4, "--out", out]
    result = say(*words, "--set", "sample.tokens=3")
    assert set(result) == {"run", "steps", "tokens", "seconds", "bits_per_byte", "best_step"}
    assert result["steps"] == 4 and set(result["bits_per_byte"]) == {"before", "after"}
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    steps = [m for m in lines if "loss" in m]
    assert [m["step"] for m in steps] == [1, 2, 3, 4]
    assert all({"step", "loss", "lr", "tokens"} <= set(m) for m in steps)

    judged = say("eval", out)
    assert set(judged) == {"bits_per_byte", "perplexity", "tokens"}
    after = result["bits_per_byte"]["after"]
    assert judged["bits_per_byte"] == pytest.approx(after, rel=1e-4)  # merging an adapter rounds

    asked = ("generate", out, "--prompt", "You see", "--tokens", 12, "--seed", 1)
    first = say(*asked)
    assert first == say(*asked)
    assert first["completion_tokens"] == 12
    line = fault(monkeypatch, capsys, "generate", out, "--prompt", "You see the lamp. " * 200, "--tokens", 5)
    assert "128" in line

    report = (out / "report.html").read_text()
    assert "<svg" in report and "<script" not in report
    assert not re.search(r"(src|href)=\"?https?://", report.split("<svg")[0])  # opens offline
    assert (out / "README.md").read_text().startswith("---\n")
    assert "## Step 0" in (out / "samples.md").read_text()
