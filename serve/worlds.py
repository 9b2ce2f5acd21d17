"""What is served: a model, how its stories begin, how its text is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from textxfer.engine.request import Sampling

if TYPE_CHECKING:
    from textxfer.engine import Engine

OPENING = (
    "You wake to the sound of rain on a tin roof. The room is small and bare: a bed, a table, a lamp that "
    "has burned low. On the table lies a letter with your name on it, in a hand you do not know.\n\n"
    "Somewhere below, a door opens and closes again."
)
SAMPLING = Sampling(max_tokens=80)


class SamplingFields(BaseModel):
    """What a request can ask for; None leaves it as the world has it. See ``engine.Sampling``."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[int, float] | None = None
    min_tokens: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class World:
    """name: what clients call it. opening: the first passage of a new story."""

    name: str
    engine: Engine
    opening: str = OPENING
    sampling: Sampling = field(default=SAMPLING)

    @classmethod
    def load(cls, model: str) -> World:
        """Raises ModelError. ``opening.txt`` beside the weights is the first passage of new stories."""
        from textxfer.engine import Engine

        engine = Engine.load(model)
        for folder in (Path(model) / "model", Path(model)):
            if (folder / "opening.txt").is_file():
                opening = (folder / "opening.txt").read_text(encoding="utf-8").strip()
                return cls(engine.name, engine, opening)
        return cls(engine.name, engine)

    def __post_init__(self) -> None:
        # A story's turns are encoded anew at every prompt; most of them have been before.
        encode = lru_cache(maxsize=4096)(lambda text: tuple(self.engine.encode(text)))
        object.__setattr__(self, "encode", encode)

    if TYPE_CHECKING:

        def encode(self, text: str) -> tuple[int, ...]: ...

    def sampling_with(self, fields: SamplingFields | None, most: int) -> Sampling:
        """The world's sampling with what a request asks for; at most ``most`` tokens.

        Raises ValueError, whose first word is the field, when a value is out of its range.
        """
        given = fields.model_dump(include=set(SamplingFields.model_fields), exclude_none=True) if fields else {}
        if "logit_bias" in given:
            given["logit_bias"] = tuple(given["logit_bias"].items())
        chosen = replace(self.sampling, **given)
        return replace(chosen, max_tokens=min(chosen.max_tokens, most))
