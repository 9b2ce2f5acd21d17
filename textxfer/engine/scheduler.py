"""Who is served next: one thread that runs the model, and the requests that share it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

import torch
from tokenizers import Tokenizer

from textxfer.engine.fallback import TransformersModel
from textxfer.engine.request import Event, FinishEvent, FinishReason, GenerateRequest, TokenEvent
from textxfer.engine.sampling import adjust, draw
from textxfer.engine.stops import StopBuffer
from textxfer.engine.text import TextDecoder
from textxfer.errors import EngineError, QueueFull

logger = logging.getLogger(__name__)

PREFILL = 256  # tokens of a prompt computed in one go, so that other streams are not held up long

Work = Generator[None, None, FinishEvent]


@dataclass(slots=True, eq=False)
class Job:
    """A request that was accepted. ``put`` takes its events, from the worker's thread."""

    request: GenerateRequest
    seed: int
    put: Callable[[Event], None]
    expires: float | None  # time.monotonic(), seconds
    cancelled: bool = False

    def over(self) -> Literal["cancelled", "deadline"] | None:
        """Why no more work is wanted, None while it is."""
        if self.cancelled:
            return "cancelled"
        return "deadline" if self.expires is not None and time.monotonic() >= self.expires else None


def generate(job: Job, model: TransformersModel, tokenizer: Tokenizer, vocabulary: int) -> Work:
    """One request from its prompt to its end; gives way after each chunk of the prompt and each token.

    vocabulary: tokens that can be drawn; a model's head may be padded to more.
    """
    request, sampling = job.request, job.request.sampling
    generated: list[int] = []
    stops = StopBuffer(request.stop)

    def finish(reason: FinishReason, error: str = "") -> FinishEvent:
        return FinishEvent(reason, len(request.prompt_ids), len(generated), job.seed, stops.rest(), error)

    try:
        cache, pending = model.new_cache(), list(request.prompt_ids)
        decoder = TextDecoder(tokenizer, context=request.prompt_ids[-1:])
        generator = torch.Generator().manual_seed(job.seed)
        while len(generated) < sampling.max_tokens:
            if (reason := job.over()) is not None:
                return finish(reason)
            logits = model.step(pending[:PREFILL], cache, request.adapter)[:vocabulary]  # (V,)
            pending = pending[PREFILL:]
            if not pending:
                adjusted = adjust(logits, sampling, request.prompt_ids, generated, model.ends)
                token = draw(adjusted, sampling.temperature, generator)
                if token in model.ends:
                    return finish("stop")
                generated.append(token)
                pending = [token]
                text, stopped = decoder.push(token), False
                if len(generated) >= sampling.min_tokens:
                    text, stopped = stops.push(text)
                job.put(TokenEvent(token, text, float(logits.log_softmax(-1)[token])))
                if stopped:
                    return finish("stop")
            if len(generated) < sampling.max_tokens:
                yield
        return finish("length")
    except Exception as error:
        logger.exception("a request failed")
        return finish("error", f"{type(error).__name__}: {error}")


class Scheduler:
    """Requests take turns, a token each; each keeps a cache and a generator of its own."""

    def __init__(self, start: Callable[[Job], Work], *, max_active: int, max_waiting: int) -> None:
        self._start = start
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._active: deque[tuple[Job, Work]] = deque()
        self.in_flight = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="textxfer-engine", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Raises QueueFull, and EngineError after ``close``."""
        with self._changed:
            if self._closed:
                raise EngineError("The engine is closed; load it anew.")
            if self.in_flight >= self._max_active + self._max_waiting:
                raise QueueFull(
                    f"{self._max_active} requests are at work and {self._max_waiting} wait, "
                    "which is all the queue holds; try again later."
                )
            self.in_flight += 1
            self._waiting.append(job)
            self._changed.notify()

    def close(self) -> None:
        """What is in flight ends as cancelled; returns when the thread has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:  # a garbage collection can call from there
            self._thread.join()

    def _run(self) -> None:
        while self._admit():
            self._turn()

    def _admit(self) -> bool:
        """Wait for work; let in what fits, and what is over already. False: closed, and all are done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._active or self._closed)
            if self._closed:
                for job in (*self._waiting, *(job for job, _ in self._active)):
                    job.cancelled = True
            waiting, self._waiting = self._waiting, deque()
            for job in waiting:
                if len(self._active) < self._max_active or job.over():
                    self._active.append((job, self._start(job)))
                else:
                    self._waiting.append(job)
            return bool(self._active)

    def _turn(self) -> None:
        job, work = self._active.popleft()
        try:
            next(work)
        except StopIteration as done:
            with self._changed:
                self.in_flight -= 1
            job.put(done.value)
        else:
            self._active.append((job, work))
