"""Optimizers over the parameter groups that a method hands over."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from textxfer.config import OptimConfig
from textxfer.methods.base import ParamGroup


def make_optimizers(groups: Sequence[ParamGroup], config: OptimConfig, *, lr: float) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for hidden matrices and AdamW for the rest.

    Muon (Jordan et al. 2024) orthogonalises the momentum of a matrix; its rate
    is scaled so that updates have AdamW's size (Liu et al., arXiv 2502.16982),
    which lets one ``lr`` serve both. Biases and gains are not decayed.
    Each group of the result carries ``lr_scale``: its rate over ``lr``.
    """
    adam: list[dict[str, object]] = []
    muon: list[dict[str, object]] = []
    for group in groups:
        matrices = [p for p in group.params if p.ndim >= 2 and not getattr(p, "is_embedding", False)]
        embeddings = [p for p in group.params if p.ndim >= 2 and getattr(p, "is_embedding", False)]
        vectors = [p for p in group.params if p.ndim < 2]
        to_muon = matrices if config.name == "muon" else []
        decayed = embeddings + (matrices if config.name == "adamw" else [])
        for params, where, decay in (
            (to_muon, muon, config.weight_decay),
            (decayed, adam, config.weight_decay),
            (vectors, adam, 0.0),
        ):
            if params:
                where.append(
                    {"params": params, "lr": lr * group.lr_scale, "lr_scale": group.lr_scale, "weight_decay": decay}
                )
    made: list[torch.optim.Optimizer] = []
    if muon:
        made.append(torch.optim.Muon(muon, lr=lr, adjust_lr_fn="match_rms_adamw"))
    if adam:
        made.append(torch.optim.AdamW(adam, lr=lr, betas=config.betas, fused=True))
    return made


def mark_embeddings(model: nn.Module) -> None:
    """Tell lookup tables from other matrices: an orthogonal update makes no sense for them."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            setattr(module.weight, "is_embedding", True)  # noqa: B010
