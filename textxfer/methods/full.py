"""Every weight learns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from textxfer.methods.base import Attached, ParamGroup, methods


@methods.register("full")
@dataclass(frozen=True)
class Full:
    """Train all parameters of the base."""

    def load_options(self) -> dict[str, Any]:
        return {}

    def default_lr(self, parameters: int) -> float:
        return 5e-4 if parameters < 50_000_000 else 5e-5

    def attach(self, model: nn.Module) -> Attached:
        model.requires_grad_(True)
        return Attached(model, [ParamGroup(list(model.parameters()))])

    def save(self, model: nn.Module, folder: Path, base: str) -> None:
        model.save_pretrained(folder, safe_serialization=True)  # type: ignore[operator]

    def merge(self, model: nn.Module) -> nn.Module:
        return model
