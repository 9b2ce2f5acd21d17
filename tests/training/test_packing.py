"""Documents packed into one block must not see each other (FACTS: GPT-2 leaks by default)."""

from __future__ import annotations

import torch

from textxfer.models.load import load_base
from textxfer.training.batches import collate
from textxfer.training.loss import PackedLM


def row(*documents: list[int]) -> dict:
    ids = [i for d in documents for i in d]
    return {"input_ids": ids, "documents": [len(d) for d in documents], "scored": [1, len(ids)], "scored_bytes": 1}


A, B = list(range(10, 30)), list(range(40, 75))


def test_a_packed_document_has_the_states_it_has_alone(tiny_base):
    module = PackedLM(load_base(str(tiny_base)).model).eval()
    with torch.no_grad():
        packed = module.hidden(collate([row(A, B)], pad=0))[0]
        alone_a = module.hidden(collate([row(A)], pad=0))[0]
        alone_b = module.hidden(collate([row(B)], pad=0))[0]
    assert (packed[: len(A)] - alone_a).abs().max() < 1e-5
    assert (packed[len(A) :] - alone_b).abs().max() < 1e-5


def test_the_dense_mask_of_other_devices_says_the_same(tiny_base):
    from textxfer.models.attention import document_mask, packed_attention

    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 2, 12, 8) for _ in range(3))
    documents = ((5, 7), (12,))
    one_by_one, _ = packed_attention(torch.nn.Identity(), q, k, v, None, documents=documents)
    mask = document_mask(documents, torch.device("cpu"))
    masked, _ = packed_attention(torch.nn.Identity(), q, k, v, None, documents=documents, packed_mask=mask)
    assert (one_by_one - masked).abs().max() < 1e-6
    assert mask[0, 0, 5:, :5].sum() == 0


def test_transformers_own_path_leaks_which_is_why_ours_exists(tiny_base):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_base).eval()
    positions = torch.tensor([list(range(len(A))) + list(range(len(B)))])
    with torch.no_grad():
        leaking = model.transformer(torch.tensor([A + B]), position_ids=positions).last_hidden_state[0, len(A) :]
        alone = model.transformer(torch.tensor([B])).last_hidden_state[0]
    assert (leaking - alone).abs().max() > 1e-3


def test_one_ragged_batch_has_the_gradient_of_its_rows_one_by_one(tiny_base):
    rows = [row(A, B), row(B[:9]), row(A[:4], B[:17], A)]
    module = PackedLM(load_base(str(tiny_base)).model).eval()

    def gradient(batches: list[list[dict]]) -> tuple[float, torch.Tensor]:
        module.zero_grad()
        total = 0.0
        for batch in batches:
            nats = module(collate(batch, pad=0))
            nats.backward()
            total += float(nats.detach())
        return total, torch.cat([p.grad.flatten() for p in module.parameters()])

    together, grad_together = gradient([rows])
    apart, grad_apart = gradient([[r] for r in rows])
    assert abs(together - apart) / apart < 1e-5
    assert (grad_together - grad_apart).abs().max() / grad_apart.abs().max() < 1e-5


def test_the_loss_in_chunks_is_the_plain_loss(tiny_base, monkeypatch):
    from textxfer.training import loss

    module = PackedLM(load_base(str(tiny_base)).model).eval()
    batch = collate([row(A, B)], pad=0)
    logits = module.model.get_output_embeddings()(module.hidden(batch))[0, :-1]
    labels = batch.labels[0, 1:]
    plain = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    monkeypatch.setattr(loss, "CPU_CHUNK", 7)
    monkeypatch.setattr(loss, "KEPT_BYTES", 0)  # and computed again in the backward pass
    chunked = module(batch)
    assert abs(float(chunked.detach()) - float(plain.detach())) < 1e-3
    (wanted,) = torch.autograd.grad(plain, module.model.transformer.wte.weight)
    (got,) = torch.autograd.grad(chunked, module.model.transformer.wte.weight)
    assert (wanted - got).abs().max() < 1e-4
