"""Many requests at once: turns, the queue, ends before the end."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import DynamicCache

from textxfer.engine import Engine, FinishEvent, GenerateRequest, Sampling
from textxfer.engine.request import Event
from textxfer.errors import EngineError, QueueFull

Make = Callable[..., Engine]


@pytest.fixture
def make(model: Any, tokenizer: Tokenizer) -> Iterator[Make]:
    made: list[Engine] = []

    def engine(**options: Any) -> Engine:
        made.append(Engine(model, tokenizer, name="tiny", device="cpu", **options))
        return made[-1]

    yield engine
    for one in made:
        one.close()


def slow(model: Any, seconds: float = 0.01) -> None:
    """Every step takes at least so long."""
    model.register_forward_pre_hook(lambda *_: time.sleep(seconds))


def endless(seed: int = 1, **rest: Any) -> GenerateRequest:
    return GenerateRequest((5,), Sampling(max_tokens=60, min_tokens=60, seed=seed), **rest)


def reason(events: list[Event]) -> str:
    """Why the events end: exactly one FinishEvent, the last."""
    assert [isinstance(e, FinishEvent) for e in events] == [False] * (len(events) - 1) + [True]
    assert isinstance(events[-1], FinishEvent)
    return events[-1].reason


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not come true in 10 s"
        time.sleep(0.002)


def watch(model: Any) -> weakref.WeakSet[DynamicCache]:
    """The caches that are alive."""
    seen: weakref.WeakSet[DynamicCache] = weakref.WeakSet()
    model.register_forward_pre_hook(lambda _, args, kwargs: seen.add(kwargs["past_key_values"]), with_kwargs=True)
    return seen


def test_streams_take_turns_a_token_each(make: Make, model: Any) -> None:
    slow(model)
    engine = make()
    heard: list[str] = []

    def put(who: str) -> Callable[[Event], None]:
        return lambda event: heard.append(who)

    for who in "abc":
        engine.submit(endless(), put(who))
    wait_until(lambda: len(heard) >= 100)
    start = max(heard.index(who) for who in "abc")  # from here all three are at work
    turns = "".join(heard[start : start + 30])
    assert turns in "abc" * 30 or turns in "acb" * 30


def test_the_same_seed_gives_the_same_text_beside_others(make: Make) -> None:
    engine = make(max_active=3)
    alone = [list(engine.stream_sync(endless(seed))) for seed in range(6)]
    streams = [engine.stream_sync(endless(seed)) for seed in range(6)]
    assert [list(s) for s in streams] == alone


def test_asynchronous_events_are_those_of_the_synchronous_side(make: Make) -> None:
    engine = make(max_active=2)

    async def read(seed: int) -> list[Event]:
        return [event async for event in engine.stream(endless(seed))]

    async def read_all() -> list[list[Event]]:
        return await asyncio.gather(*(read(seed) for seed in range(4)))

    assert asyncio.run(read_all()) == [list(engine.stream_sync(endless(seed))) for seed in range(4)]


def test_a_full_queue_refuses_and_takes_again_when_there_is_room(make: Make, model: Any) -> None:
    slow(model)
    engine = make(max_active=1, max_waiting=2)
    streams = [engine.stream_sync(endless()) for _ in range(3)]
    with pytest.raises(QueueFull, match=r"1 requests are at work and 2 wait, .* try again later"):
        engine.stream_sync(endless())
    streams[0].close()
    wait_until(lambda: _takes(engine))
    assert [reason(list(s)) for s in streams[1:]] == ["length", "length"]


def _takes(engine: Engine) -> bool:
    try:
        engine.stream_sync(endless()).close()
    except QueueFull:
        return False
    return True


def test_a_request_waits_for_its_turn_when_all_places_are_taken(make: Make, model: Any) -> None:
    slow(model, 0.002)
    engine = make(max_active=1)
    order: list[str] = []
    for name in "ab":
        engine.submit(endless(), lambda _, name=name: order.append(name))  # type: ignore[misc]
    wait_until(lambda: len(order) == 122)
    assert "".join(order) == "a" * 61 + "b" * 61


@pytest.mark.parametrize("how", ["close", "forget"])
def test_closing_or_forgetting_an_iterator_stops_the_work_and_frees_the_cache(make: Make, model: Any, how: str) -> None:
    steps: list[int] = []
    model.register_forward_pre_hook(lambda *_: steps.append(1))
    slow(model, 0.05)
    engine, caches = make(), watch(model)
    stream = engine.stream_sync(endless())
    next(stream)
    assert len(caches) == 1
    if how == "close":
        stream.close()
        assert list(stream) == []
    else:
        del stream
    at_close = len(steps)
    wait_until(lambda: not caches)
    assert len(steps) <= at_close + 2


def test_closing_an_asynchronous_iterator_stops_the_work_even_before_the_first_event(make: Make, model: Any) -> None:
    steps: list[int] = []
    model.register_forward_pre_hook(lambda *_: steps.append(1))
    slow(model, 0.02)
    engine = make()

    async def close_at_once() -> list[Event]:
        stream = engine.stream(endless())
        await stream.aclose()
        await asyncio.sleep(0.2)
        assert len(steps) <= 1  # while the stream is still held
        return [event async for event in stream]

    assert asyncio.run(close_at_once()) == []


def test_a_cancelled_task_stops_the_work(make: Make, model: Any) -> None:
    slow(model, 0.05)
    engine, caches = make(), watch(model)

    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    async def cancel() -> None:
        stream = engine.stream(endless())
        task = asyncio.create_task(read(stream))
        while not caches:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        wait_until(lambda: not caches)  # while the stream is still held

    asyncio.run(cancel())


def test_cancel_keeps_the_finish_event(make: Make, model: Any) -> None:
    slow(model, 0.05)
    stream = make().stream_sync(endless())
    first = next(stream)
    stream.cancel()
    assert reason([first, *stream]) == "cancelled"


def test_a_loop_that_is_gone_does_not_hurt_the_worker(make: Make, model: Any) -> None:
    slow(model)
    engine = make()
    held = []

    async def leave() -> None:
        held.append(engine.stream(endless()))
        await anext(held[0])

    asyncio.run(leave())
    assert reason(list(engine.stream_sync(endless()))) == "length"


def test_a_deadline_ends_the_work(make: Make, model: Any) -> None:
    slow(model, 0.02)
    start = time.monotonic()
    events = list(make().stream_sync(endless(deadline=0.3)))
    assert time.monotonic() - start >= 0.3
    assert reason(events) == "deadline"
    assert len(events) - 1 <= 15


def test_a_deadline_counts_the_time_in_the_queue(make: Make, model: Any) -> None:
    slow(model, 0.05)
    engine = make(max_active=1)
    heard: list[Event] = []
    engine.submit(endless(), heard.append)
    late = list(engine.stream_sync(endless(deadline=0.1)))
    assert [reason(late), len(late)] == ["deadline", 1]
    assert len(heard) < 60  # the one at work has not ended


def test_a_step_that_fails_ends_its_own_request_only(make: Make, model: Any) -> None:
    def fail(module: Any, args: Any, kwargs: Any) -> None:
        if 7 in kwargs["input_ids"]:
            raise RuntimeError("out of memory")

    model.register_forward_pre_hook(fail, with_kwargs=True)
    engine = make()
    other = engine.stream_sync(
        GenerateRequest((5,), Sampling(max_tokens=30, min_tokens=30, logit_bias=((7, -1000.0),)))
    )
    bad = list(engine.stream_sync(GenerateRequest((7,), Sampling(seed=4))))
    assert bad == [
        FinishEvent("error", prompt_tokens=1, completion_tokens=0, seed=4, error="RuntimeError: out of memory")
    ]
    assert reason(list(other)) == "length"


def test_close_ends_what_is_in_flight_as_cancelled(make: Make, model: Any) -> None:
    slow(model)
    engine = make(max_active=1)
    active, waiting = engine.stream_sync(endless()), engine.stream_sync(endless())
    first = next(active)
    engine.close()
    assert reason([first, *active]) == "cancelled"
    assert reason(list(waiting)) == "cancelled"
    with pytest.raises(EngineError, match="The engine is closed"):
        engine.stream_sync(endless())
    engine.close()  # twice does no harm


def test_an_engine_that_is_forgotten_ends_its_thread(model: Any, tokenizer: Tokenizer) -> None:
    before = threading.active_count()
    engine = Engine(model, tokenizer, name="tiny", device="cpu")
    assert threading.active_count() == before + 1
    del engine
    gc.collect()
    wait_until(lambda: threading.active_count() == before)
