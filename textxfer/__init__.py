"""textxfer: a small shelf of stories becomes a playable world.

import textxfer

run = textxfer.train("corpus/", base="gpt2", method="lora")
print(run.generate("You open the gate."))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from textxfer.runs import Run
    from textxfer.training.pretrain import pretrain
    from textxfer.training.train import train

__version__ = "0.1.0"
__all__ = ["Run", "load", "pretrain", "train"]

_HOMES = {"train": "textxfer.training.train", "pretrain": "textxfer.training.pretrain", "Run": "textxfer.runs"}


def load(path: str | Path) -> Run:
    """The run in a folder. Raises ModelError when there is none."""
    from textxfer.runs import Run

    return Run.load(path)


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: torch takes seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module 'textxfer' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
