"""One contract over all transfer methods, and what each one says of itself."""

from __future__ import annotations

import re

import pytest
import torch

from textxfer.errors import ConfigError
from textxfer.methods.base import make_method, methods, resolve_method
from textxfer.models.load import load_base, load_served

IDS = torch.tensor([[5, 6, 7, 8, 9]])


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(IDS).logits


@pytest.fixture(params=methods.names())
def method(request):
    return make_method({"name": request.param})


@pytest.fixture
def base(tiny_base):
    return load_base(str(tiny_base))


def test_it_begins_as_the_base_learns_and_comes_back_from_disk(method, base, tiny_base, tmp_path):
    before = logits(base.model)
    attached = method.attach(base.model)
    assert (logits(attached.model) - before).abs().max() < 1e-6

    learning = [p for group in attached.groups for p in group.params]
    frozen = {n: p.clone() for n, p in attached.model.named_parameters() if not p.requires_grad}
    assert {id(p) for p in learning} == {id(p) for p in attached.model.parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(learning, lr=0.5)
    for _ in range(2):  # an adapter's second factor gets its first gradient only now
        attached.model.train()(input_ids=IDS, labels=IDS).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    after = logits(attached.model)
    assert (after - before).abs().max() > 1e-3
    assert all(torch.equal(p, frozen[n]) for n, p in attached.model.named_parameters() if n in frozen)

    method.save(attached.model, tmp_path, str(tiny_base))
    base.tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert (logits(load_served(tmp_path).model) - after).abs().max() < 1e-4
    assert (logits(method.merge(attached.model)) - after).abs().max() < 1e-4


def test_an_adapter_leaves_the_embeddings_tied(base):
    attached = make_method({"name": "lora"}).attach(base.model)
    merged = make_method({"name": "lora"}).merge(attached.model)
    assert merged.lm_head.weight is merged.transformer.wte.weight


def test_lora_takes_all_linear_layers_but_the_head(base):
    attached = make_method({"name": "lora", "r": 4}).attach(base.model)
    adapted = {n.split(".lora_A")[0].split(".h.0.")[1] for n in dict(attached.model.named_parameters()) if ".h.0." in n}
    assert {n for n in adapted if "weight" not in n and "bias" not in n and "lora" not in n} == {
        "attn.c_attn",
        "attn.c_proj",
        "mlp.c_fc",
        "mlp.c_proj",
    }
    # r · (in + out) for c_attn, c_proj, c_fc, c_proj of two layers of width 32
    assert sum(p.numel() for p in attached.groups[0].params) == 2 * 4 * (32 + 96 + 32 + 32 + 32 + 128 + 128 + 32)


def test_options_are_spelt_out():
    assert resolve_method({"name": "lora", "r": 4}) == {
        "name": "lora", "r": 4, "alpha": 32, "dropout": 0.05, "targets": "all-linear",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "lorra"}, "Did you mean 'lora'?"),
        ({"name": "lora", "rank": 4}, "'method.rank'"),
        ({"name": "lora", "r": "many"}, "method.r is 'many'; it must be of type int"),
        ({"name": "lora", "dropout": 1.0}, "dropout is 1.0, it must be at least 0 and under 1"),
    ],
)
def test_a_fault_is_named(settings, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        make_method(settings)
