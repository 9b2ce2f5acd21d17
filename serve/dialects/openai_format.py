"""What OpenAI's clients send, and the objects they read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel, Field

from serve.worlds import SamplingFields


class StreamOptions(BaseModel):
    include_usage: bool | None = None


class Asked(SamplingFields):
    """What both kinds of completion take; fields that are not known are ignored."""

    model: str | None = None
    n: int | None = Field(default=None, ge=1, le=16)
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class Completion(Asked):
    prompt: str | list[int] | list[str] | list[list[int]] = ""
    best_of: int | None = None
    echo: bool | None = None
    suffix: str | None = None
    logprobs: int | None = None


class Part(BaseModel):
    type: str
    text: str | None = None


class Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None


class Chat(Asked):
    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True)
class Logged:
    """A token as its log-probability is told: its text, where that begins, its natural logarithm."""

    text: str
    offset: int
    logprob: float


class Format(Protocol):
    """The objects of one kind of answer."""

    prefix: str
    whole: str
    part: str

    def choice(self, index: int, text: str, logs: Sequence[Logged] | None, reason: str) -> dict[str, Any]: ...

    def first(self, index: int) -> dict[str, Any] | None: ...

    def delta(self, index: int, text: str, logs: Sequence[Logged] | None, reason: str | None) -> dict[str, Any]: ...


class TextFormat:
    """``/v1/completions``: an answer and its parts have one shape."""

    prefix, whole, part = "cmpl-", "text_completion", "text_completion"

    def choice(self, index: int, text: str, logs: Sequence[Logged] | None, reason: str) -> dict[str, Any]:
        return self.delta(index, text, logs, reason)

    def first(self, index: int) -> None:
        return None

    def delta(self, index: int, text: str, logs: Sequence[Logged] | None, reason: str | None) -> dict[str, Any]:
        logprobs = logs and {
            "tokens": [token.text for token in logs],
            "token_logprobs": [token.logprob for token in logs],
            "top_logprobs": None,
            "text_offset": [token.offset for token in logs],
        }
        return {"index": index, "text": text, "logprobs": logprobs or None, "finish_reason": reason}


class ChatFormat:
    """``/v1/chat/completions``: a message, or deltas of which the first names the role."""

    prefix, whole, part = "chatcmpl-", "chat.completion", "chat.completion.chunk"

    def choice(self, index: int, text: str, logs: Sequence[Logged] | None, reason: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": index, "message": message, "logprobs": _chat_logs(logs), "finish_reason": reason}

    def first(self, index: int) -> dict[str, Any]:
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def delta(self, index: int, text: str, logs: Sequence[Logged] | None, reason: str | None) -> dict[str, Any]:
        delta = {"content": text} if text else {}
        return {"index": index, "delta": delta, "logprobs": _chat_logs(logs), "finish_reason": reason}


def _chat_logs(logs: Sequence[Logged] | None) -> dict[str, Any] | None:
    if not logs:
        return None
    content = [
        {"token": t.text, "logprob": t.logprob, "bytes": list(t.text.encode()), "top_logprobs": []} for t in logs
    ]
    return {"content": content, "refusal": None}
