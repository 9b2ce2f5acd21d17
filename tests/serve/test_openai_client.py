"""The client that everyone has, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest


@pytest.fixture
def client(live: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "textxfer"


def test_completions(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="tiny", prompt="You open", max_tokens=10, seed=1)
    assert whole.usage is not None and whole.usage.completion_tokens == 10
    parts = client.completions.create(model="tiny", prompt="You open", max_tokens=10, seed=1, stream=True)
    assert "".join(part.choices[0].text for part in parts) == whole.choices[0].text


def test_chat(client: openai.OpenAI) -> None:
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [
        {"role": "system", "content": "You are Ada."},
        {"role": "user", "content": "open the gate"},
    ]
    asked = {"model": "tiny", "messages": messages, "max_completion_tokens": 9, "seed": 5, "n": 2}
    whole = client.chat.completions.create(**asked)
    said = ["", ""]
    for part in client.chat.completions.create(**asked, stream=True, extra_body={"top_k": 0}):
        said[part.choices[0].index] += part.choices[0].delta.content or ""
    assert said == [choice.message.content for choice in whole.choices]
    assert [choice.message.role for choice in whole.choices] == ["assistant"] * 2


def test_a_model_that_is_not_there(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.completions.create(model="gpt-9", prompt="x")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_a_prompt_that_is_too_long(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="tiny", prompt="z" * 300)
    assert refused.value.code == "context_length_exceeded"
