"""Stories and their turns over the wire, and what stays on disk."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.app import create_app
from serve.server import run_server
from serve.settings import Settings
from serve.tidy import whole_sentences
from textxfer.engine.request import GenerateRequest, Sampling
from textxfer.errors import ModelError, ServeError

SHORT = {"max_tokens": 12, "seed": 3}


@pytest.fixture
def story(client: httpx.Client) -> str:
    answer = client.post("/stories", json={"opening": "A gate.", "memory": "You are Ada."})
    assert answer.status_code == 201
    return str(answer.json()["id"])


def turn(client: httpx.Client, story: str, mode: str, text: str = "", **sampling: Any) -> dict[str, Any]:
    body = {"mode": mode, "text": text, "stream": False, "sampling": {**SHORT, **sampling}}
    answer = client.post(f"/stories/{story}/turns", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def told(client: httpx.Client, story: str) -> list[tuple[str, str]]:
    return [(turn["mode"], turn["input"]) for turn in client.get(f"/stories/{story}").json()["turns"]]


def test_a_story_begins_as_its_world_does(client: httpx.Client, live: Any) -> None:
    made = client.post("/stories").json()
    assert (made["title"], made["world"], made["memory"]) == ("", "tiny", "")
    assert [(turn["mode"], turn["text"]) for turn in made["turns"]] == [("opening", live.game.world.opening)]
    assert (made["can_undo"], made["can_redo"], made["busy"]) == (False, False, False)
    refused = client.post("/stories", json={"world": "mars"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (404, "world")


def test_a_turn_is_what_the_engine_says_to_the_rendered_story(client: httpx.Client, live: Any, story: str) -> None:
    engine = live.game.world.engine
    done = turn(client, story, "do", "open the gate")
    prompt = "You are Ada.\n\nA gate.\n> Open the gate\n"
    sampling = live.game.world.sampling_with(None, 512)
    request = GenerateRequest(
        tuple(engine.encode(prompt)),
        Sampling(**{name: getattr(sampling, name) for name in Sampling.__slots__} | SHORT),
        ("\n>",),
    )
    text, finish = engine.complete(request)
    assert done["turn"]["text"] == whole_sentences(text.lstrip())
    assert (done["turn"]["input"], done["turn"]["mode"]) == ("Open the gate", "do")
    assert (done["finish_reason"], done["seed"]) == (finish.reason, 3)
    assert done["usage"] == {"prompt_tokens": finish.prompt_tokens, "completion_tokens": 12}
    assert client.get(f"/stories/{story}").json()["title"] == "Open the gate"


def test_a_turn_streams_its_words_and_then_itself(client: httpx.Client, live: Any, story: str) -> None:
    body = {"mode": "say", "text": "who is there?", "sampling": SHORT}
    response = client.post(f"/stories/{story}/turns", json=body)
    assert response.text.startswith(": begun\n\nevent: token\ndata: {")
    *tokens, (last, data) = live.events(response)
    done = json.loads(data)
    assert {name for name, _ in tokens} == {"token"} and last == "done"
    words = "".join(json.loads(data)["text"] for _, data in tokens)
    assert done["turn"]["text"] == whole_sentences(words)
    assert done["turn"]["input"] == 'Say "who is there?"'
    assert client.get(f"/stories/{story}").json()["head"] == done["turn"]["id"]


def test_a_turn_that_ran_out_of_tokens_ends_with_a_whole_sentence(client: httpx.Client, live: Any, story: str) -> None:
    bias = {live.game.world.engine.encode(letter)[0]: 50 for letter in "Y.\n"}
    body = {"mode": "do", "text": "wait", "sampling": {"max_tokens": 30, "seed": 1, "logit_bias": bias}}
    *tokens, (_, data) = live.events(client.post(f"/stories/{story}/turns", json=body))
    words = "".join(json.loads(token)["text"] for _, token in tokens)
    kept = json.loads(data)["turn"]["text"]
    assert kept == whole_sentences(words) != words.rstrip()
    assert kept.endswith(".") and words.startswith(kept)


@pytest.mark.parametrize("token", ["end of text", ">"])
def test_an_empty_turn_is_tried_once_more_and_then_told(
    client: httpx.Client, live: Any, story: str, token: str
) -> None:
    engine = live.game.world.engine
    forced = engine.end_of_text if token == "end of text" else engine.encode(token)[0]
    done = turn(client, story, "do", "wait", logit_bias={forced: 100})
    assert (done["turn"]["text"], done["finish_reason"], done["seed"]) == ("", "stop", 4)  # asked for: 3
    assert told(client, story) == [("opening", ""), ("do", "Wait")]


def test_undo_redo_and_a_sibling(client: httpx.Client, story: str) -> None:
    turn(client, story, "do", "knock")
    second = turn(client, story, "do", "go in")["turn"]
    assert client.post(f"/stories/{story}/undo").json()["can_redo"] is True
    assert told(client, story) == [("opening", ""), ("do", "Knock")]
    assert client.post(f"/stories/{story}/redo").json()["head"] == second["id"]
    body = {"stream": False, "sampling": {"max_tokens": 8}}
    sibling = client.post(f"/stories/{story}/retry", json=body).json()["turn"]
    assert (sibling["parent"], sibling["input"]) == (second["parent"], "Go in") and sibling["id"] != second["id"]
    client.post(f"/stories/{story}/undo")
    assert client.post(f"/stories/{story}/redo").json()["head"] == sibling["id"]  # the newest


def test_what_cannot_be_done_is_said(client: httpx.Client, story: str) -> None:
    for what, said in (
        ("undo", "There is nothing to undo: this is the opening."),
        ("redo", "There is nothing to redo."),
        ("retry", "There is nothing to retry: the story has only its opening."),
    ):
        answer = client.post(f"/stories/{story}/{what}")
        assert (answer.status_code, answer.json()["error"]["message"]) == (409, said)
    answer = client.post(f"/stories/{story}/turns", json={"mode": "do", "text": " > "})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    answer = client.post(f"/stories/{story}/turns", json={"mode": "continue", "sampling": {"top_p": 2}})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "sampling.top_p")
    assert client.post(f"/stories/{story}/turns", json={"mode": "sing"}).status_code == 400
    assert client.get("/stories/none").status_code == 404
    assert client.patch(f"/stories/{story}/turns/none", json={"text": ""}).status_code == 404
    assert told(client, story) == [("opening", "")]


def test_going_on_begins_a_paragraph_only_after_a_whole_sentence(client: httpx.Client, story: str) -> None:
    first = turn(client, story, "continue")["turn"]
    assert first["text"].startswith("\n\n")
    client.patch(f"/stories/{story}/turns/{first['id']}", json={"text": "You wait and"})
    second = turn(client, story, "continue")["turn"]
    assert not second["text"].startswith("\n\n")
    assert client.get(f"/stories/{story}").json()["turns"][1]["text"] == "\n\nYou wait and"


def test_what_the_player_wrote_is_gone_on_with(client: httpx.Client, live: Any, story: str) -> None:
    done = turn(client, story, "story", " You knock and ")
    assert done["turn"]["input"] == "You knock and"
    prompt = "You are Ada.\n\nA gate.\n\nYou knock and"
    assert done["usage"]["prompt_tokens"] == len(live.game.world.engine.encode(prompt))


def test_a_story_is_named_remembered_and_forgotten(client: httpx.Client, story: str) -> None:
    changed = client.patch(f"/stories/{story}", json={"title": " The Gate ", "memory": "You are Bo."}).json()
    assert (changed["title"], changed["memory"]) == ("The Gate", "You are Bo.")
    listed = client.get("/stories?limit=1").json()
    assert (listed["stories"][0]["title"], len(listed["stories"])) == ("The Gate", 1)
    assert client.delete(f"/stories/{story}").status_code == 204
    assert client.get(f"/stories/{story}").status_code == 404
    assert client.get("/stories").json()["total"] == listed["total"] - 1


def test_a_turn_is_saved_though_the_client_goes_away(patient: Any) -> None:
    story = httpx.post(f"{patient.url}/stories", json={"opening": "A gate."}).json()["id"]
    body = {"mode": "do", "text": "wait", "sampling": patient.endless()}
    got = ""
    with httpx.stream("POST", f"{patient.url}/stories/{story}/turns", json=body, timeout=30) as response:
        lines = response.iter_lines()
        while len(got) < 20:
            line = next(lines)
            if line.startswith("data:"):
                got += json.loads(line[5:])["text"]
        assert httpx.get(f"{patient.url}/stories/{story}").json()["busy"] is True
        refused = httpx.post(f"{patient.url}/stories/{story}/turns", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "cannot_play")
    patient.wait_for(lambda: patient.in_flight == 0, seconds=2)
    patient.wait_for(lambda: not httpx.get(f"{patient.url}/stories/{story}").json()["busy"], seconds=2)
    _, saved = httpx.get(f"{patient.url}/stories/{story}").json()["turns"]
    assert saved["text"].startswith(got.rstrip()) and saved["finish_reason"] == "cancelled"
    assert len(saved["text"]) < 8000


def test_a_turn_can_be_stopped(patient: Any) -> None:
    story = httpx.post(f"{patient.url}/stories", json={"opening": "A gate."}).json()["id"]
    assert httpx.post(f"{patient.url}/stories/{story}/stop").json() == {"stopped": False}
    body = {"mode": "do", "text": "wait", "sampling": patient.endless()}
    with httpx.stream("POST", f"{patient.url}/stories/{story}/turns", json=body, timeout=30) as response:
        lines = response.iter_lines()
        next(line for line in lines if line.startswith("data:"))
        assert httpx.post(f"{patient.url}/stories/{story}/stop").json() == {"stopped": True}
        *_, last = (line for line in lines if line.startswith("data:"))
    done = json.loads(last[5:])
    assert (done["finish_reason"], done["seed"]) == ("cancelled", 1)
    assert 0 < done["usage"]["completion_tokens"] < 8000
    assert httpx.get(f"{patient.url}/stories/{story}").json()["head"] == done["turn"]["id"]


def test_stopping_the_server_saves_the_turn_in_the_making(serving: Any, patient: Any, tmp_path: Path) -> None:
    settings = Settings(model=patient.app.state.settings.model, data=tmp_path, max_tokens=8000)
    with serving(create_app(settings)) as live, httpx.Client(base_url=live.url, timeout=30) as client:
        story = client.post("/stories", json={"opening": "A gate."}).json()["id"]
        body = {"mode": "do", "text": "wait", "sampling": live.endless()}
        with client.stream("POST", f"/stories/{story}/turns", json=body) as response:
            next(line for line in response.iter_lines() if line.startswith("data:"))
            live.stop()
    with sqlite3.connect(tmp_path / "play.db") as database:
        assert database.execute("select finish from turns where mode = 'do'").fetchall() == [("cancelled",)]


def test_stories_outlive_the_server(serving: Any, model_folder: Path, tmp_path: Path) -> None:
    """Played on one server, found by another, which is a process of its own and stops at SIGTERM."""
    with (
        serving(create_app(Settings(model=str(model_folder), data=tmp_path))) as live,
        httpx.Client(base_url=live.url, timeout=30) as client,
    ):
        story = client.post("/stories", json={"opening": "A gate."}).json()["id"]
        turn(client, story, "do", "knock")
        turn(client, story, "do", "go in")
        client.post(f"/stories/{story}/undo")
        left = client.get(f"/stories/{story}").json()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "textxfer", "serve", str(model_folder), "--port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--data", str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Loading {model_folder} …\n"
        assert process.stdout.readline() == f"tiny is served at {url} (Ctrl-C stops)\n"
        assert httpx.get(f"{url}/stories/{story}").json() == left
        assert [turn["input"] for turn in left["turns"]] == ["", "Knock"] and left["can_redo"] is True
    finally:
        process.terminate()
        process.wait(20)


def test_a_port_in_use_is_said_before_the_model_is_loaded(live: Any) -> None:
    port = int(live.url.rsplit(":", 1)[1])
    said = f"Port {port} of 127.0.0.1 is in use; choose another with --port."
    with pytest.raises(ServeError, match=said):
        run_server(Settings(model="no such model", port=port))


def test_a_model_that_cannot_be_loaded_ends_the_server(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        run_server(Settings(model=str(tmp_path), port=0, data=tmp_path))
