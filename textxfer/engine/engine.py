"""The one door to a model that generates: text in, a stream of events out."""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
import secrets
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from textxfer.engine.fallback import TransformersModel
from textxfer.engine.request import Event, FinishEvent, GenerateRequest
from textxfer.engine.scheduler import Job, Scheduler, generate
from textxfer.errors import EngineError, ModelError, PromptTooLong, unknown
from textxfer.models.load import load_base, load_served
from textxfer.runs import Run

_SEEDS = range(-(2**63), 2**64)  # what torch.Generator takes


class Engine:
    """A model, its tokenizer, and the one thread that runs it.

    ``name`` is what it says of itself, ``path`` which code answers, ``context``
    how many tokens the model can see, ``adapters`` the names a request can choose.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        name: str,
        device: str = "auto",
        weights: str = "auto",
        adapters: Mapping[str, Run | Path | str] | None = None,
        max_active: int = 8,
        max_waiting: int = 64,
    ) -> None:
        """``model``: a causal LM of transformers, which the engine takes over. See ``load`` for the rest."""
        answers = TransformersModel(model, device=device, weights=weights)
        for adapter, run in (adapters or {}).items():
            folder, _ = _find(run)
            if folder is None:
                raise ModelError(f"The adapter {adapter!r}: there is no folder {run}. Give a run's folder.")
            answers.add_adapter(adapter, folder)
        copy = Tokenizer.from_str(tokenizer.to_str())  # the caller's keeps its settings
        copy.encode_special_tokens = True  # special tokens typed by people stay text
        copy.no_truncation()
        copy.no_padding()
        vocabulary = min(answers.vocabulary, copy.get_vocab_size())
        self.name = name
        self.path = answers.path
        self.context = answers.context
        self.adapters = answers.adapters
        self.end_of_text = answers.ends[0]
        self._vocabulary = vocabulary
        self._tokenizer = copy
        self._scheduler = Scheduler(
            lambda job: generate(job, answers, copy, vocabulary),
            max_active=max_active,
            max_waiting=max_waiting,
        )
        # Also when the engine is forgotten, and before the interpreter takes the modules apart.
        self._end = weakref.finalize(self, self._scheduler.close)

    @classmethod
    def load(
        cls,
        run_or_model: Run | Path | str,
        *,
        device: str = "auto",
        weights: str = "auto",
        adapters: Mapping[str, Run | Path | str] | None = None,
        max_active: int = 8,
        max_waiting: int = 64,
    ) -> Engine:
        """A Run, the folder of one, a model folder, ``starter`` or a hub name.

        device: auto, cpu, cuda or cuda:N. weights: auto, float32 or bf16.
        adapters: name -> run or folder with a PEFT adapter, each beside the model.
        max_active: requests that take turns. max_waiting: requests that wait for one.

        Raises ModelError, ConfigError.
        """
        folder, name = _find(run_or_model)
        base = load_base(name) if folder is None else load_served(folder)
        return cls(
            base.model,
            base.tokenizer,
            name=name,
            device=device,
            weights=weights,
            adapters=adapters,
            max_active=max_active,
            max_waiting=max_waiting,
        )

    @property
    def in_flight(self) -> int:
        """Requests that wait or are being answered."""
        return self._scheduler.in_flight

    def encode(self, text: str) -> list[int]:
        """Token ids. A special token's name typed by someone stays text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """Text. Special tokens are shown by name."""
        return self._tokenizer.decode(ids, skip_special_tokens=False)

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.encode(text))

    def stream(self, request: GenerateRequest) -> AsyncStream:
        """Events as they come: TokenEvents, then one FinishEvent. Call it in a running event loop.

        The request is checked and submitted by the call, not by the first event.
        An empty prompt stands for the end-of-text token alone; ``max_tokens``
        is cut to what the context leaves.

        Raises PromptTooLong, QueueFull, EngineError.
        """
        return AsyncStream(self, request)

    def stream_sync(self, request: GenerateRequest) -> SyncStream:
        """The same for code without an event loop."""
        return SyncStream(self, request)

    def complete(self, request: GenerateRequest) -> tuple[str, FinishEvent]:
        """The whole text at once. Raises as ``stream`` does."""
        text = ""
        for event in self.stream_sync(request):
            text += event.text
        assert isinstance(event, FinishEvent)
        return text, event

    def close(self) -> None:
        """Stop the thread. Requests in flight end as cancelled."""
        self._end()

    def submit(self, request: GenerateRequest, put: Callable[[Event], None]) -> Job:
        """Check a request and queue it; ``put`` gets its events, in the worker's thread."""
        request = self._checked(request)
        seed = request.sampling.seed
        job = Job(
            request,
            seed=secrets.randbits(32) if seed is None else seed,
            put=put,
            expires=None if request.deadline is None else time.monotonic() + request.deadline,
        )
        self._scheduler.submit(job)
        return job

    def _checked(self, request: GenerateRequest) -> GenerateRequest:
        sampling, prompt = request.sampling, tuple(request.prompt_ids) or (self.end_of_text,)
        for what, ids in (("prompt_ids", prompt), ("logit_bias", [i for i, _ in sampling.logit_bias])):
            wrong = [i for i in ids if not 0 <= i < self._vocabulary]
            if wrong:
                raise EngineError(f"{what} holds the id {wrong[0]}; ids go from 0 to {self._vocabulary - 1}.")
        if len(prompt) >= self.context:
            raise PromptTooLong(
                f"The prompt has {len(prompt)} tokens; the model's context holds {self.context}, and at "
                "least one must be left for the answer. "
                f"Shorten the prompt by {len(prompt) - self.context + 1} tokens or more."
            )
        if not all(math.isfinite(amount) for _, amount in sampling.logit_bias):
            raise EngineError("logit_bias holds a value that is not a finite number; -100 rules a token out.")
        if "" in request.stop:
            raise EngineError("stop holds an empty string, which would end every text at once; leave it out.")
        if request.adapter is not None and request.adapter not in self.adapters:
            raise EngineError(unknown("adapter", request.adapter, self.adapters))
        if request.deadline is not None and not request.deadline >= 0:
            raise EngineError(f"deadline is {request.deadline}; it must be 0 or more seconds.")
        if sampling.seed is not None and sampling.seed not in _SEEDS:
            raise EngineError(f"seed is {sampling.seed}; it must lie between -2**63 and 2**64 - 1.")
        room = min(sampling.max_tokens, self.context - len(prompt))
        return replace(request, prompt_ids=prompt, sampling=replace(sampling, max_tokens=room))


class AsyncStream:
    """An asynchronous iterator of events. ``aclose`` or a cancelled task stops the work within a token."""

    def __init__(self, engine: Engine, request: GenerateRequest) -> None:
        self._engine = engine  # kept while its events are read
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._done = False
        loop, events = asyncio.get_running_loop(), self._events

        def put(event: Event) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
                loop.call_soon_threadsafe(events.put_nowait, event)

        self._job = engine.submit(request, put)

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Event:
        if self._done:
            raise StopAsyncIteration
        try:
            event = await self._events.get()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        self._done = self._done or isinstance(event, FinishEvent)
        return event

    def cancel(self) -> None:
        """Stop the work; the FinishEvent still comes."""
        self._job.cancelled = True

    async def aclose(self) -> None:
        """Stop the work and the iteration."""
        self.cancel()
        self._done = True

    def __del__(self) -> None:
        if hasattr(self, "_job"):
            self.cancel()


class SyncStream:
    """An iterator of events. ``close``, or forgetting it, stops the work within a token."""

    def __init__(self, engine: Engine, request: GenerateRequest) -> None:
        self._engine = engine
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._done = False
        self._job = engine.submit(request, self._events.put)

    def __iter__(self) -> SyncStream:
        return self

    def __next__(self) -> Event:
        if self._done:
            raise StopIteration
        event = self._events.get()
        self._done = self._done or isinstance(event, FinishEvent)
        return event

    def cancel(self) -> None:
        """Stop the work; the FinishEvent still comes."""
        self._job.cancelled = True

    def close(self) -> None:
        """Stop the work and the iteration."""
        self.cancel()
        self._done = True

    def __del__(self) -> None:
        if hasattr(self, "_job"):
            self.cancel()


def _find(run: Run | Path | str) -> tuple[Path | None, str]:
    """The folder of the weights, None where a name is meant; and what the model is called."""
    if run == "starter":
        return None, run
    if not isinstance(run, Run):
        path = Path(run).expanduser()
        if not path.is_dir():
            return None, str(run)
        if not ((path / "run.yaml").is_file() or (path / "model").is_dir()):
            return path, path.resolve().name
        run = Run(path)
    return run.model, run.name
