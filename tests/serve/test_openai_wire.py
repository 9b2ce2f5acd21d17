"""What goes over the wire in OpenAI's dialect, byte by byte where it matters."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.app import create_app
from serve.settings import Settings
from textxfer.engine.request import GenerateRequest, Sampling


def chunks(live: Any, response: httpx.Response) -> list[dict[str, Any]]:
    """The chunks of a stream, whose last event is [DONE]."""
    assert response.headers["content-type"].startswith("text/event-stream")
    *parts, (_, last) = live.events(response)
    assert last == "[DONE]"
    return [json.loads(data) for _, data in parts]


def test_a_completion_has_openais_shape(client: httpx.Client) -> None:
    body = {"model": "tiny", "prompt": "You open", "max_tokens": 6, "seed": 1, "unheard_of": {"x": None}}
    answer = client.post("/v1/completions", json=body).json()
    assert list(answer) == ["id", "created", "model", "object", "choices", "usage"]
    assert answer["id"].startswith("cmpl-") and answer["object"] == "text_completion"
    (choice,) = answer["choices"]
    assert {name: choice[name] for name in ("index", "logprobs", "finish_reason")} == {
        "index": 0,
        "logprobs": None,
        "finish_reason": "length",
    }
    assert answer["usage"]["completion_tokens"] == 6
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + 6


def test_the_stream_is_the_answer_in_parts(client: httpx.Client, live: Any) -> None:
    body = {"prompt": "You open", "max_tokens": 12, "seed": 1}
    whole = client.post("/v1/completions", json=body).json()["choices"][0]["text"]
    parts = chunks(live, client.post("/v1/completions", json={**body, "stream": True}))
    assert "".join(part["choices"][0]["text"] for part in parts) == whole
    assert [part["choices"][0]["finish_reason"] for part in parts] == [None] * (len(parts) - 1) + ["length"]
    assert not any("usage" in part for part in parts)


def test_a_chat_stream_names_the_role_first_and_ends_empty(client: httpx.Client, live: Any) -> None:
    body = {
        "messages": [{"role": "user", "content": "open the gate"}],
        "max_tokens": 8,
        "seed": 2,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    parts = chunks(live, client.post("/v1/chat/completions", json=body))
    assert {part["object"] for part in parts} == {"chat.completion.chunk"}
    assert parts[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert parts[-2]["choices"][0]["delta"] == {} and parts[-2]["choices"][0]["finish_reason"] == "length"
    assert parts[-1]["choices"] == [] and parts[-1]["usage"]["completion_tokens"] == 8
    assert all(part["usage"] is None for part in parts[:-1])
    whole = client.post("/v1/chat/completions", json={**body, "stream": False}).json()
    said = "".join(part["choices"][0]["delta"].get("content", "") for part in parts[:-1])
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": said, "refusal": None}


def test_each_prompt_gets_n_choices(client: httpx.Client) -> None:
    body = {"prompt": ["You open", "The cat"], "n": 2, "max_tokens": 5, "seed": 3, "echo": True}
    choices = client.post("/v1/completions", json=body).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert [choice["text"][:7] for choice in choices] == ["You ope"] * 2 + ["The cat"] * 2
    alone = client.post("/v1/completions", json={**body, "prompt": "The cat", "n": 1, "seed": 4}).json()
    assert choices[3]["text"] == alone["choices"][0]["text"] != choices[2]["text"]


def test_token_ids_are_a_prompt(client: httpx.Client, live: Any) -> None:
    ids = live.game.world.engine.encode("You open")
    bodies = [{"prompt": prompt, "max_tokens": 5, "seed": 1} for prompt in ("You open", ids, [ids])]
    texts = [client.post("/v1/completions", json=body).json()["choices"][0]["text"] for body in bodies]
    assert texts[0] == texts[1] == texts[2]


def test_stop_strings_end_the_text_and_are_not_in_it(client: httpx.Client) -> None:
    body = {"prompt": "You open", "max_tokens": 40, "seed": 1}
    text = client.post("/v1/completions", json=body).json()["choices"][0]["text"]
    stop = text[5:7]
    choice = client.post("/v1/completions", json={**body, "stop": ["never said", stop]}).json()["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == (text[: text.index(stop)], "stop")


def test_logprobs_are_those_of_the_tokens_chosen(client: httpx.Client) -> None:
    body = {"prompt": "You open", "max_tokens": 5, "seed": 1, "logprobs": 0}
    choice = client.post("/v1/completions", json=body).json()["choices"][0]
    logs = choice["logprobs"]
    assert len(logs["tokens"]) == len(logs["token_logprobs"]) == len(logs["text_offset"]) == 5
    assert all(value < 0 for value in logs["token_logprobs"]) and logs["text_offset"][0] == 0
    chat = {"messages": [{"role": "user", "content": "go"}], "max_tokens": 5, "seed": 1, "logprobs": True}
    content = client.post("/v1/chat/completions", json=chat).json()["choices"][0]["logprobs"]["content"]
    assert [sorted(token) for token in content] == [["bytes", "logprob", "token", "top_logprobs"]] * 5


@pytest.mark.parametrize(
    ("path", "body", "param", "said"),
    [
        ("completions", {"suffix": "the end"}, "suffix", "not supported"),
        ("completions", {"best_of": 2}, "best_of", "not supported"),
        ("completions", {"logprobs": 5}, "logprobs", "not supported"),
        ("completions", {"temperature": -1}, "temperature", "temperature is -1.0; it must lie between 0.0 and 100.0."),
        ("completions", {"n": 0}, "n", "greater than or equal to 1"),
        ("completions", {"n": 9, "prompt": ["a", "b"]}, "n", "18 choices are asked for; 16 are the most."),
        ("completions", {"stop": ["a", "b", "c", "d", "e"]}, "stop", "stop holds 5 strings"),
        ("completions", {"prompt": [99999]}, None, "prompt_ids holds the id 99999"),
        ("chat/completions", {"messages": []}, "messages", "at least 1"),
        ("chat/completions", {"messages": [{"role": "tool", "content": "x"}]}, "messages", "'assistant'"),
        ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
         "messages.0.content", "A part of type 'image_url' cannot be read; text can."),
        ("chat/completions", {"messages": [{"role": "user", "content": "x"}], "top_logprobs": 2},
         "top_logprobs", "not supported"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_done_is_refused_by_name(
    client: httpx.Client, path: str, body: dict[str, Any], param: str | None, said: str, stream: bool
) -> None:
    answer = client.post(f"/v1/{path}", json={**body, "stream": stream})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert said in error["message"]


def test_a_prompt_that_is_too_long_is_refused_and_a_chat_is_cut(client: httpx.Client) -> None:
    answer = client.post("/v1/completions", json={"prompt": "z" * 300, "stream": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
    messages = [{"role": role, "content": f"z{n}" * 20} for n in range(30) for role in ("user", "assistant")]
    answer = client.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 4})
    assert answer.status_code == 200 and answer.json()["usage"]["prompt_tokens"] < 256


def test_a_body_that_is_no_json_and_a_path_that_is_not_there(client: httpx.Client) -> None:
    answer = client.post("/v1/completions", content="{no", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    answer = client.get("/v1/nowhere")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")


def test_a_client_that_goes_away_stops_the_work(patient: Any) -> None:
    body = {"prompt": "You", "stream": True, **patient.endless()}
    with httpx.stream("POST", f"{patient.url}/v1/completions", json=body, timeout=30) as response:
        next(line for line in response.iter_lines() if line.startswith("data:"))
        assert patient.in_flight == 1
    left = time.monotonic()
    patient.wait_for(lambda: patient.in_flight == 0, seconds=2)
    assert time.monotonic() - left < 1  # all 8,000 tokens take many seconds


def test_a_client_that_waits_for_json_and_goes_away_stops_the_work(patient: Any) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{patient.url}/v1/completions", json={"prompt": "You", **patient.endless()}, timeout=0.5)
    patient.wait_for(lambda: patient.in_flight == 0, seconds=2)


def test_a_full_queue_says_when_to_come_back(patient: Any) -> None:
    engine = patient.game.world.engine
    patient.wait_for(lambda: patient.in_flight == 0)
    asked = GenerateRequest((1,), Sampling(max_tokens=8000, logit_bias=((engine.end_of_text, -100.0),)))
    crowd = [engine.stream_sync(asked) for _ in range(72)]
    try:
        for stream in (False, True):
            answer = httpx.post(f"{patient.url}/v1/completions", json={"prompt": "You", "stream": stream})
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
            assert answer.json()["error"]["type"] == "rate_limit_error"
        story = httpx.post(f"{patient.url}/stories").json()["id"]
        answer = httpx.post(f"{patient.url}/stories/{story}/turns", json={"mode": "continue"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert httpx.get(f"{patient.url}/stories/{story}").json()["busy"] is False
    finally:
        for stream in crowd:
            stream.close()
    patient.wait_for(lambda: patient.in_flight == 0)


def test_a_key_is_asked_for_where_there_is_one(serving: Any, model_folder: Path, tmp_path: Path) -> None:
    with serving(create_app(Settings(model=str(model_folder), data=tmp_path, api_key="sesame"))) as live:
        for path in ("/v1/models", "/stories"):
            answer = httpx.get(live.url + path)
            assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
            assert httpx.get(live.url + path, headers={"Authorization": "Bearer sesam"}).status_code == 401
            assert httpx.get(live.url + path, headers={"Authorization": "Bearer sesame"}).status_code == 200
        assert httpx.get(live.url).status_code == httpx.get(f"{live.url}/healthz").status_code == 200


def test_ready_is_said_when_the_model_is_there(serving: Any, model_folder: Path, tmp_path: Path) -> None:
    live = serving(create_app(Settings(model=str(model_folder), data=tmp_path)))
    with live:
        assert httpx.get(f"{live.url}/readyz").json() == {"status": "ready", "model": "tiny"}
        game, live.app.state.game = live.app.state.game, None  # as it is while the model loads, and at the end
        answer = httpx.get(f"{live.url}/readyz")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert httpx.get(f"{live.url}/healthz").json() == {"status": "alive"}
        live.app.state.game = game
