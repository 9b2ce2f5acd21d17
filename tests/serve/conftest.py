"""A tiny random GPT-2 in a folder, and real servers over it on loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
import uvicorn
from fastapi import FastAPI
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel

from serve.app import create_app
from serve.settings import Settings
from serve.worlds import World

TEXT = "You open the gate. The hinge complains, and the garden lies before you.\n> Go in\nA cat says no.\n"
CONTEXT = 256


def save_model(folder: Path, context: int) -> Path:
    """A model as a user's would lie on disk; it is called what its folder is called."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([TEXT, *["\n\n"] * 9], trainer)  # a token of two line ends, as GPT-2 has
    torch.manual_seed(0)
    size = tokenizer.get_vocab_size()
    config = GPT2Config(
        vocab_size=size, n_positions=context, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny", CONTEXT)


@pytest.fixture(scope="session")
def world(model_folder: Path) -> Iterator[World]:
    loaded = World.load(str(model_folder))
    yield loaded
    loaded.engine.close()


class Live:
    """uvicorn in a thread, on a free port of loopback."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Live:
        self._thread.start()
        self.wait_for(lambda: httpx.get(f"{self.url}/readyz").status_code == 200)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    @property
    def game(self) -> Any:
        return self.app.state.game

    @property
    def in_flight(self) -> int:
        """Requests that the engine works on or keeps waiting."""
        return int(self.game.world.engine.in_flight)

    def endless(self) -> dict[str, Any]:
        """Sampling that neither ends the text nor writes an action: thousands of tokens."""
        engine = self.game.world.engine
        return {"max_tokens": 8000, "seed": 1, "logit_bias": {engine.end_of_text: -100, engine.encode(">")[0]: -100}}

    @staticmethod
    def wait_for(true: Callable[[], bool], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                if true():
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.01)

    @staticmethod
    def events(response: httpx.Response) -> list[tuple[str, str]]:
        """The (event, data) pairs of a stream, comments left out."""
        found: list[tuple[str, str]] = []
        for block in response.text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if lines:
                found.append((lines.get("event", ""), lines["data"]))
        return found


@pytest.fixture(scope="session")
def serving() -> type[Live]:
    """The class, for tests that start a server of their own."""
    return Live


@pytest.fixture(scope="session")
def live(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One server for the tests that need nothing special."""
    data = tmp_path_factory.mktemp("data")
    with Live(create_app(Settings(model=str(model_folder), data=data))) as server:
        yield server


@pytest.fixture(scope="session")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose answers can take many seconds: see ``endless``."""
    folder = save_model(tmp_path_factory.mktemp("models") / "patient", 8192)
    settings = Settings(model=str(folder), data=tmp_path_factory.mktemp("data"), max_tokens=8000)
    with Live(create_app(settings)) as server:
        yield server


@pytest.fixture
def client(live: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=30) as made:
        yield made
