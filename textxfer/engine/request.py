"""What goes into the engine and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

FinishReason = Literal["stop", "length", "cancelled", "deadline", "error"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn.

    temperature: 0 takes the likeliest token. top_k: 0 keeps all. top_p: the
    nucleus (Holtzman et al., arXiv 1904.09751), 1 keeps all. min_p: a floor as
    a share of the likeliest token's probability, 0 keeps all.
    repetition_penalty: CTRL's (arXiv 1909.05858), sign-correct, 1 does nothing.
    frequency_penalty and presence_penalty: subtracted from the logits of the
    tokens generated so far, as OpenAI defines them. seed: None draws one.

    Raises ValueError when a value is out of its range.
    """

    max_tokens: int = 100
    temperature: float = 0.7
    top_k: int = 0
    top_p: float = 0.9
    min_p: float = 0.0
    repetition_penalty: float = 1.05
    repetition_range: int = 256  # last tokens that the repetition penalty looks at
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    min_tokens: int = 0  # end-of-text and stops are not taken before
    seed: int | None = None

    def __post_init__(self) -> None:
        ranges = {
            "max_tokens": (0, 1_000_000),
            "temperature": (0.0, 100.0),
            "top_k": (0, 10_000_000),
            "top_p": (0.0, 1.0),
            "min_p": (0.0, 1.0),
            "repetition_penalty": (0.01, 100.0),
            "repetition_range": (0, 1_000_000),
            "frequency_penalty": (-2.0, 2.0),
            "presence_penalty": (-2.0, 2.0),
            "min_tokens": (0, 1_000_000),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; it must lie between {low} and {high}.")


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Continue ``prompt_ids`` until a stop string, end of text or ``max_tokens``.

    stop: strings at which the text ends; they are never part of it.
    adapter: the name of a loaded adapter, None for the model itself.
    deadline: seconds from submission after which the work ends, None for never.
    """

    prompt_ids: tuple[int, ...]
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    adapter: str | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """Some settled text: whole characters, free of any stop string begun.

    ``id`` is the token that settled it and ``logprob`` that token's natural
    log-probability under the model (before sampling changes it). A token that
    settles nothing yet gives an event with empty text.
    """

    id: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class FinishEvent:
    """The last event of every stream. ``text`` is what was held back and is settled now."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    seed: int
    text: str = ""
    error: str = ""


Event = TokenEvent | FinishEvent
