"""What a run does besides surviving: it learns, judges fairly, and refuses nonsense."""

from __future__ import annotations

import json

import pytest
import torch

import textxfer
from textxfer.errors import TrainingError
from textxfer.models.load import load_base, load_served
from textxfer.runs import Run

QUICK = ["sample.tokens=3", "data.context=128", "optim.tokens_per_step=512"]


@pytest.fixture(scope="module", params=["full", "lora"])
def run(request, corpus, tiny_base, tmp_path_factory) -> Run:
    out = tmp_path_factory.mktemp("train") / "run"
    settings = [*QUICK, "optim.lr=5e-3", "eval.every_steps=10"]
    return textxfer.train(corpus, str(tiny_base), request.param, out=out, steps=30, overrides=settings, quiet=True)


def test_it_learns(run):
    figures = run.result["bits_per_byte"]
    limit = {"full": 0.9, "lora": 0.98}[run.config["method"]["name"]]  # an adapter beside random weights learns little
    assert figures["after"] < limit * figures["before"]
    assert run.finished and run.result["run"] == str(run.path)


def test_before_is_the_base_and_after_is_what_is_served(run, tiny_base):
    from textxfer.evaluation.judge import score_base

    before = score_base(load_base(str(tiny_base)), run)
    after = score_base(load_served(run.model), run)
    assert before.bits_per_byte == pytest.approx(run.result["bits_per_byte"]["before"], rel=1e-5)
    assert after.bits_per_byte == pytest.approx(run.result["bits_per_byte"]["after"], rel=1e-4)
    assert run.evaluate()["tokens"] == after.tokens


def test_the_folder_holds_what_the_plan_says(run):
    names = {p.name for p in run.path.iterdir() if not p.name.startswith(".")}
    assert names == {
        "run.yaml", "data", "metrics.jsonl", "checkpoints", "best", "last", "model", "samples.md", "report.html",
        "README.md", "result.json",
    }  # fmt: skip
    assert (run.path / "checkpoints" / (run.path / "best").read_text()).is_dir()
    assert len(list((run.path / "checkpoints").iterdir())) <= 3
    assert {"tokenizer.json", "opening.txt"} <= {p.name for p in run.model.iterdir()}
    assert not [p for p in run.path.rglob("*") if p.suffix in {".bin", ".pt", ".pkl"}]


def test_what_is_served_opens_without_this_kit(run):
    from transformers import AutoModelForCausalLM

    if run.config["method"]["name"] == "lora":
        from peft import AutoPeftModelForCausalLM

        model = AutoPeftModelForCausalLM.from_pretrained(run.model)
    else:
        model = AutoModelForCausalLM.from_pretrained(run.model)
    ids = torch.tensor([[5, 6, 7]])
    ours = load_served(run.model).model
    with torch.no_grad():
        assert (model(ids).logits - ours(ids).logits).abs().max() < 1e-4


def test_the_settings_are_frozen_and_whole(run):
    config = run.config
    assert config["schedule"]["steps"] == 30 and config["precision"]["dtype"] in {"bf16", "float32"}
    assert None not in config["optim"].values()
    assert config["precision"]["threads"] >= 1


def test_generate(run):
    first = run.generate("You see the", tokens=8, seed=3)
    assert first == run.generate("You see the", tokens=8, seed=3)
    assert first != ""


def test_steps_of_no_finite_gradient_end_the_run_with_the_way_out(corpus, tiny_base, tmp_path):
    from safetensors.torch import load_file, save_file

    for file in tiny_base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tiny_base / "model.safetensors")
    weights["transformer.ln_f.weight"][0] = float("inf")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"3 steps in a row gave no finite gradient .* --set optim\.lr="):
        textxfer.train(
            corpus,
            str(tmp_path),
            "full",
            out=tmp_path / "r",
            steps=9,
            overrides=[*QUICK, "optim.max_skipped=3"],
            quiet=True,
        )
    lines = [json.loads(line) for line in (tmp_path / "r" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] < 3  # nothing past the last good step pretends to be one


def test_no_steps_only_judges(corpus, tiny_base, tmp_path):
    run = textxfer.train(corpus, str(tiny_base), "full", out=tmp_path / "r", steps=0, overrides=QUICK, quiet=True)
    assert run.result["steps"] == 0
    assert run.result["bits_per_byte"]["before"] == run.result["bits_per_byte"]["after"]


def test_an_early_stop_serves_the_best(corpus, tiny_base, tmp_path):
    settings = [*QUICK, "optim.lr=3.0", "eval.every_steps=1", "eval.patience=2"]
    run = textxfer.train(corpus, str(tiny_base), "full", out=tmp_path / "r", steps=40, overrides=settings, quiet=True)
    judged = {m["step"]: m["bits_per_byte"] for m in run.metrics() if "bits_per_byte" in m}
    del judged[0]
    assert run.result["steps"] < 40
    assert judged[run.result["best_step"]] == min(judged.values()) == run.result["bits_per_byte"]["after"]
    assert run.result["steps"] == run.result["best_step"] + 2


def test_a_schedule_that_is_not_known_leaves_nothing_behind(corpus, tiny_base, tmp_path):
    from textxfer.errors import ConfigError

    with pytest.raises(ConfigError, match="schedule 'cosin'"):
        textxfer.train(
            corpus, str(tiny_base), "full", out=tmp_path / "r", overrides=["schedule.name=cosin"], quiet=True
        )
    assert not (tmp_path / "r").exists()


def test_the_dropout_of_an_adapter_is_its_own(corpus, tiny_base, tmp_path):
    losses = []
    for p in (0.0, 0.5):
        method = {"name": "lora", "dropout": p}
        options = {"out": tmp_path / str(p), "steps": 3, "overrides": [*QUICK, "optim.dropout=0.0"], "quiet": True}
        run = textxfer.train(corpus, str(tiny_base), method, **options)
        losses.append([m["loss"] for m in run.metrics() if "loss" in m])
    assert losses[0][0] == losses[1][0]  # the adapter's second factor is still 0
    assert losses[0][2] != losses[1][2]
