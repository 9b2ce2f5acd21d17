"""Requests in, events out: how text is generated, whatever computes it.

    engine = Engine.load("runs/demo")
    request = GenerateRequest(tuple(engine.encode("You open the gate.")), Sampling(max_tokens=60, seed=1))
    for event in engine.stream_sync(request):
        print(event.text, end="")

The request types import without torch; Engine brings it in.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textxfer.engine.engine import Engine
    from textxfer.engine.request import FinishEvent, GenerateRequest, Sampling, TokenEvent

__all__ = ["Engine", "FinishEvent", "GenerateRequest", "Sampling", "TokenEvent"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "engine" if name == "Engine" else "request"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
