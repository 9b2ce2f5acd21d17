"""From logits to a token: pure functions of a vector of logits (V,), float32.

``adjust`` is the whole chain, in this order: logit bias, repetition penalty,
frequency and presence penalties, the ban of end-of-text, temperature, top-k,
top-p, min-p. A token that is ruled out has the logit -inf.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from textxfer.engine.request import Sampling
from textxfer.errors import EngineError

_RULED_OUT = float("-inf")
_GREEDY_BELOW = 1e-5  # so cold that the likeliest comes out anyway; and 1e-300 is 0 in float32


def add_bias(logits: Tensor, bias: Sequence[tuple[int, float]]) -> Tensor:
    """logit_i + b_i for each pair (i, b_i)."""
    if not bias:
        return logits
    ids, amounts = zip(*bias, strict=True)
    return logits.index_add(-1, torch.tensor(ids), torch.tensor(amounts, dtype=logits.dtype))


def penalise_repeats(logits: Tensor, seen: Sequence[int], penalty: float) -> Tensor:
    """CTRL's repetition penalty (arXiv 1909.05858), sign-correct: l / p where l > 0, l · p elsewhere."""
    if not seen or penalty == 1:
        return logits
    ids = torch.tensor(sorted(set(seen)))
    chosen = logits[ids]
    return logits.index_copy(-1, ids, torch.where(chosen > 0, chosen / penalty, chosen * penalty))


def penalise_counts(logits: Tensor, generated: Sequence[int], frequency: float, presence: float) -> Tensor:
    """OpenAI's: l_i - count_i·frequency - [count_i > 0]·presence, over the tokens generated so far."""
    if not generated or not (frequency or presence):
        return logits
    counts = torch.bincount(torch.tensor(generated), minlength=logits.shape[-1])  # (V,)
    return logits - counts * frequency - (counts > 0) * presence


def ban(logits: Tensor, ids: Iterable[int]) -> Tensor:
    return logits.index_fill(-1, torch.tensor(sorted(ids), dtype=torch.long), _RULED_OUT)


def heat(logits: Tensor, temperature: float) -> Tensor:
    """l / temperature, moved so that the largest is 0: the same distribution, and no overflow."""
    return (logits - logits.max(dim=-1, keepdim=True).values) / temperature


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k largest, and what equals the smallest of them. k = 0 keeps all."""
    if not 0 < k < logits.shape[-1]:
        return logits
    floor = torch.topk(logits, k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < floor, _RULED_OUT)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest likeliest tokens that hold p of the probability (Holtzman et al., arXiv 1904.09751)."""
    if p >= 1:
        return logits
    ascending, order = torch.sort(logits, dim=-1)
    drop = ascending.softmax(-1).cumsum(-1) <= 1 - p
    drop[..., -1] = False  # the likeliest stays even at p = 0
    return logits.masked_fill(drop.scatter(-1, order, drop), _RULED_OUT)


def min_p(logits: Tensor, share: float) -> Tensor:
    """Keep tokens of at least ``share`` of the likeliest one's probability (arXiv 2407.01082)."""
    if share <= 0:
        return logits
    probabilities = logits.softmax(-1)
    floor = share * probabilities.max(dim=-1, keepdim=True).values
    return logits.masked_fill(probabilities < floor, _RULED_OUT)


def adjust(
    logits: Tensor, sampling: Sampling, prompt: Sequence[int], generated: Sequence[int], ends: Iterable[int]
) -> Tensor:
    """Logits (V,) as the next token is drawn from; at temperature 0, as the largest is taken from.

    ends: ids of end-of-text, ruled out until ``sampling.min_tokens`` are generated.
    """
    reach = sampling.repetition_range
    seen = [*prompt, *generated][-reach:] if reach else []
    logits = add_bias(logits, sampling.logit_bias)
    logits = penalise_repeats(logits, seen, sampling.repetition_penalty)
    logits = penalise_counts(logits, generated, sampling.frequency_penalty, sampling.presence_penalty)
    if len(generated) < sampling.min_tokens:
        logits = ban(logits, ends)
    if sampling.temperature < _GREEDY_BELOW:
        return logits
    logits = top_k(heat(logits, sampling.temperature), sampling.top_k)
    return min_p(top_p(logits, sampling.top_p), sampling.min_p)


def draw(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    """A token of adjusted logits (V,): the largest at temperature 0, else by chance.

    Raises EngineError where the logits are not numbers.
    """
    if not torch.isfinite(logits.max()):
        raise EngineError("The model gave logits that are not finite numbers; its weights are damaged.")
    if temperature < _GREEDY_BELOW:
        return int(logits.argmax())
    return int(torch.multinomial(logits.softmax(-1), 1, generator=generator))
