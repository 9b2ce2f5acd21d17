"""A flood of requests of every kind: each ends with exactly one FinishEvent, and nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter

import pytest

from textxfer.engine import Engine, FinishEvent, GenerateRequest, Sampling
from textxfer.errors import PromptTooLong, QueueFull


def draw_request(draw: random.Random, vocabulary: int) -> GenerateRequest:
    sampling = Sampling(
        max_tokens=draw.randint(0, 30),
        temperature=draw.choice([0.0, 0.5, 1.0, 3.0]),
        top_k=draw.choice([0, 1, 5]),
        top_p=draw.choice([0.1, 0.9, 1.0]),
        min_p=draw.choice([0.0, 0.2]),
        repetition_penalty=draw.choice([0.5, 1.0, 1.3]),
        frequency_penalty=draw.choice([-1.0, 0.0, 1.0]),
        logit_bias=tuple((draw.randrange(vocabulary), draw.uniform(-5, 5)) for _ in range(draw.choice([0, 2]))),
        min_tokens=draw.choice([0, 5]),
        seed=draw.randrange(10**6),
    )
    prompt = tuple(draw.randrange(vocabulary) for _ in range(draw.choice([0, 1, 10, 60, 64, 200])))
    stop = tuple(draw.sample(["e", "\n>", "gate", "zzz"], draw.choice([0, 1, 3])))
    return GenerateRequest(prompt, sampling, stop, deadline=draw.choice([None, None, 0.001, 5.0]))


async def one(engine: Engine, request: GenerateRequest, leave_after: int | None) -> str:
    """How a request ended: a finish reason, "left" by its reader, or the name of the error that refused it."""
    try:
        stream = engine.stream(request)
    except (PromptTooLong, QueueFull) as error:
        return type(error).__name__
    finishes, seen = 0, 0
    try:
        async for event in stream:
            assert finishes == 0, "an event came after the FinishEvent"
            finishes += isinstance(event, FinishEvent)
            seen += 1
            if leave_after is not None and seen >= leave_after and not finishes:
                return "left"
    finally:
        await stream.aclose()
    assert finishes == 1
    return str(event.reason)


async def flood(engine: Engine, count: int, seed: int) -> Counter[str]:
    draw = random.Random(seed)
    vocabulary = 300  # ids of the tiny tokenizer
    jobs = []
    for _ in range(count):
        leave_after = draw.choice([None, None, 1, 3])
        jobs.append(asyncio.create_task(one(engine, draw_request(draw, vocabulary), leave_after)))
        await asyncio.sleep(draw.choice([0, 0, 0.002]))
    return Counter(await asyncio.wait_for(asyncio.gather(*jobs), timeout=count))


def tensors() -> int:
    import torch

    gc.collect()
    return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())


def check(engine: Engine, count: int) -> None:
    asyncio.run(flood(engine, count // 2, seed=1))
    before = tensors()
    ended = asyncio.run(flood(engine, count, seed=2))
    assert sum(ended.values()) == count
    assert "error" not in ended
    assert {"length", "PromptTooLong", "left"} <= set(ended)
    assert tensors() <= before + 5  # caches of requests that are over are gone
    _, finish = engine.complete(GenerateRequest((5, 6), Sampling(max_tokens=3, seed=1, min_tokens=3)))
    assert finish.completion_tokens == 3  # and it still answers


def test_a_small_flood(engine):
    check(engine, 80)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_flood(engine):
    check(engine, 4000)
