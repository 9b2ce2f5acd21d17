"""Kill the training at any moment and repeat the command: nothing shows."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

import textxfer
from textxfer.errors import ConfigChanged, DamagedCheckpoint
from textxfer.training import checkpoint

STEPS = 24


SETTINGS = [
    "eval.every_steps=8",
    "checkpoint.every_steps=3",
    "optim.dropout=0.1",
    "optim.tokens_per_step=512",  # four blocks of 128 …
    "optim.micro_batch=2",  # … in two goes
    "data.context=128",
    "sample.tokens=4",
    "precision.threads=1",
]


def command(corpus: Path, base: Path, method: str, out: Path) -> list[str]:
    words = [sys.executable, "-m", "textxfer", "train", str(corpus), "--base", str(base), "--method", method]
    words += ["--steps", str(STEPS), "--out", str(out)]
    return words + [word for s in SETTINGS for word in ("--set", s)]


def train_here(corpus: Path, base: Path, method: str, out: Path) -> None:
    """The same as ``command``, without another process."""
    textxfer.train(corpus, str(base), method, out=out, steps=STEPS, overrides=SETTINGS, quiet=True)


def curve(out: Path) -> list[tuple]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(m["step"], m.get("loss"), m.get("lr"), m.get("bits_per_byte"), m["tokens"]) for m in lines]


def weights(out: Path) -> dict:
    file = next((out / "model").glob("*.safetensors"))
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(file).items()}


@pytest.fixture(scope="module", params=["full", "lora"])
def undisturbed(request, corpus, tiny_base, tmp_path_factory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp(request.param) / "run"
    train_here(corpus, tiny_base, request.param, out)
    return request.param, out


def kill(words: list[str], out: Path, seed: int) -> bool:
    """Start the command, SIGKILL it at a random moment once it has worked; whether the kill came before its end."""
    metrics = out / "metrics.jsonl"
    size = metrics.stat().st_size if metrics.exists() else 0
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size > size + 100):
        time.sleep(0.002)
    time.sleep(random.Random(seed).uniform(0, 0.25))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_a_killed_run_ends_as_if_nothing_had_been(undisturbed, corpus, tiny_base, tmp_path):
    method, whole = undisturbed
    out = tmp_path / "run"
    words = command(corpus, tiny_base, method, out)
    assert [kill(words, out, seed) for seed in (1, 2)] == [True, True]
    train_here(corpus, tiny_base, method, out)
    assert curve(out) == curve(whole)
    assert weights(out) == weights(whole)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_twenty_kills(undisturbed, corpus, tiny_base, tmp_path, seed):
    method, whole = undisturbed
    out = tmp_path / "run"
    for k in range(4):
        kill(command(corpus, tiny_base, method, out), out, 10 * seed + k)
    train_here(corpus, tiny_base, method, out)
    assert curve(out) == curve(whole)
    assert weights(out) == weights(whole)


def test_ctrl_c_saves_and_the_same_command_goes_on(undisturbed, corpus, tiny_base, tmp_path):
    method, whole = undisturbed
    out = tmp_path / "run"
    words = command(corpus, tiny_base, method, out)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while process.poll() is None and not (
        (out / "metrics.jsonl").exists() and '"loss"' in (out / "metrics.jsonl").read_text()
    ):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Repeat the command to go on" in said and "Traceback" not in said
    stopped_at = checkpoint.newest(out)
    assert stopped_at is not None and 0 < int(stopped_at.name[5:]) < STEPS
    train_here(corpus, tiny_base, method, out)
    assert curve(out) == curve(whole)


def test_a_finished_run_says_so_and_a_changed_one_shows_the_difference(undisturbed, corpus, tiny_base, capsys):
    method, whole = undisturbed
    before = (whole / "metrics.jsonl").read_bytes()
    options = {"out": whole, "steps": STEPS, "overrides": SETTINGS}
    assert textxfer.train(corpus, str(tiny_base), method, **options).result["steps"] == STEPS
    assert "is finished; nothing to do" in capsys.readouterr().err
    with pytest.raises(ConfigChanged, match=r"optim\.lr: [\d.e-]+ → 0\.5; schedule\.steps: 24 → 30\. Repeat"):
        textxfer.train(
            corpus, str(tiny_base), method, **options | {"steps": 30, "overrides": [*SETTINGS, "optim.lr=0.5"]}
        )
    assert (whole / "metrics.jsonl").read_bytes() == before


def test_a_changed_corpus_is_a_change(undisturbed, corpus, tiny_base, tmp_path):
    import shutil

    copy = tmp_path / "stories"
    shutil.copytree(corpus, copy)
    options = {"out": tmp_path / "run", "steps": 1, "quiet": True, "overrides": ["sample.tokens=1"]}
    textxfer.train(copy, str(tiny_base), "full", **options)
    (copy / "more.md").write_text("Another evening. " * 50)
    with pytest.raises(ConfigChanged, match="has changed"):
        textxfer.train(copy, str(tiny_base), "full", **options)


def test_a_damaged_checkpoint_is_seen_and_the_one_before_used(undisturbed, tmp_path):
    import shutil

    _, whole = undisturbed
    copy = tmp_path / "run"
    shutil.copytree(whole, copy)
    last = (copy / "last").read_text()
    file = copy / "checkpoints" / last / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedCheckpoint, match=r"weights\.safetensors is not what was written"):
        checkpoint.check(file.parent)
    said: list[str] = []
    used = checkpoint.newest(copy, said.append)
    assert used is not None and used.name < last
    assert len(said) == 1 and "damaged" in said[0]


def test_pointers_and_results_lost_in_a_kill_come_back(undisturbed, corpus, tiny_base, tmp_path):
    import shutil

    method, whole = undisturbed
    copy = tmp_path / "run"
    shutil.copytree(whole, copy)
    for name in ("best", "last", "result.json"):
        (copy / name).unlink()
    shutil.rmtree(copy / "model")
    train_here(corpus, tiny_base, method, copy)
    assert (copy / "best").read_text() == (whole / "best").read_text()
    assert (copy / "last").read_text() == (whole / "last").read_text()
    assert textxfer.load(copy).result["best_step"] == textxfer.load(whole).result["best_step"]
    assert weights(copy) == weights(whole)


def test_two_processes_never_train_in_one_folder(corpus, tiny_base, tmp_path):
    import fcntl

    from textxfer.errors import TrainingError

    out = tmp_path / "run"
    out.mkdir()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match="Another process is training"):
            textxfer.train(corpus, str(tiny_base), "full", out=out, steps=1, quiet=True)
