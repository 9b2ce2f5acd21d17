"""Low-rank adapters beside frozen weights (Hu et al., arXiv 2106.09685)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from textxfer.methods.base import Attached, ParamGroup, methods


@methods.register("lora")
@dataclass(frozen=True)
class LoRA:
    """y = x W + (alpha / r) · dropout(x) A B, with A (in, r) and B (r, out) learnt, B = 0 at first.

    r: rank. alpha: scale. dropout: on the adapter's input. targets: names of
    the linear layers; "all-linear" takes attention and both layers of the MLP.
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: str = "all-linear"

    def __post_init__(self) -> None:
        if self.r < 1:
            raise ValueError(f"r is {self.r}, it must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, it must be at least 0 and under 1")

    def load_options(self) -> dict[str, Any]:
        return {}

    def default_lr(self, parameters: int) -> float:
        return 2e-3 if parameters < 50_000_000 else 5e-4

    def attach(self, model: nn.Module) -> Attached:
        from peft import LoraConfig, get_peft_model

        targets = self.targets if self.targets == "all-linear" else self.targets.split(",")
        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=targets,
            fan_in_fan_out=any(type(m).__name__ == "Conv1D" for m in model.modules()),
            task_type="CAUSAL_LM",
        )
        adapted = get_peft_model(model, config)  # type: ignore[arg-type]
        learning = [p for p in adapted.parameters() if p.requires_grad]
        for parameter in learning:
            parameter.data = parameter.data.float()  # fp16 gradients cannot be unscaled in place
        return Attached(adapted, [ParamGroup(learning)])

    def save(self, model: nn.Module, folder: Path, base: str) -> None:
        model.save_pretrained(str(folder), safe_serialization=True)  # type: ignore[operator]
        (folder / "README.md").unlink(missing_ok=True)  # peft's empty template
        (folder / "base.json").write_text(json.dumps({"base": base}))

    def merge(self, model: nn.Module) -> nn.Module:
        merged: nn.Module = model.merge_and_unload()  # type: ignore[operator]
        return merged
