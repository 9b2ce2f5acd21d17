"""The built-in model is what its card says."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open

from textxfer.models.load import STARTER, load_base


@pytest.fixture(scope="module")
def starter():
    return load_base("starter")


def test_it_is_small_and_stored_in_half(starter):
    assert starter.parameters <= 7_000_000
    assert (STARTER / "model.safetensors").stat().st_size <= 14_000_000
    with safe_open(STARTER / "model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118
    assert {p.dtype for p in starter.model.parameters()} == {torch.float32}


def test_it_knows_where_a_text_ends(starter):
    assert starter.tokenizer.get_vocab_size() == starter.model.config.vocab_size == 8192
    assert starter.end_of_text == starter.tokenizer.token_to_id("<|endoftext|>") == 0
    config = json.loads((STARTER / "config.json").read_text())
    assert config["eos_token_id"] == config["bos_token_id"] == 0
    assert starter.context == 1024
    assert starter.model.lm_head.weight is starter.model.transformer.wte.weight


def test_it_has_learnt_english(starter):
    def nats(text: str) -> float:
        ids = torch.tensor([starter.tokenizer.encode(text).ids])
        with torch.no_grad():
            return float(starter.model(ids, labels=ids).loss) * (ids.shape[1] - 1)

    sense = "The old man opened the door and looked out into the night. There was no one there."
    assert nats(sense) < 0.75 * nats(
        "Night the no door man old. The there and one was out there into the looked opened."
    )


def test_its_card_has_the_figures_and_the_sources():
    card = (STARTER / "README.md").read_text(encoding="utf-8")
    for part in ("## Held-out text", "## Recipe", "## Ten samples, unpicked", "## Sources", "![loss curve](loss.png)"):
        assert part in card
    assert card.count("\n> **") == 10
    assert "Burroughs" not in card.split("## Sources")[1] and "Baum" not in card.split("## Sources")[1]
    assert (STARTER / "loss.png").read_bytes().startswith(b"\x89PNG")
