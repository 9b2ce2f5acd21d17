"""The engine's promises, on a tiny model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

from textxfer.engine import Engine, FinishEvent, GenerateRequest, Sampling, TokenEvent
from textxfer.engine.request import Event
from textxfer.errors import EngineError, PromptTooLong

GREEDY = Sampling(max_tokens=20, temperature=0, repetition_penalty=1.0)


def ask(engine: Engine, text: str, sampling: Sampling = GREEDY, stop: tuple[str, ...] = ()) -> GenerateRequest:
    return GenerateRequest(tuple(engine.encode(text)), sampling, stop)


def tokens(events: list[Event]) -> list[int]:
    return [e.id for e in events if isinstance(e, TokenEvent)]


def test_the_request_types_come_without_torch() -> None:
    code = "import sys; from textxfer.engine import GenerateRequest, Sampling; print('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"


def test_greedy_is_what_transformers_generates(engine: Engine, model: Any) -> None:
    prompt = engine.encode("You open the gate.")
    theirs = model.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False, pad_token_id=0)
    events = list(engine.stream_sync(ask(engine, "You open the gate.")))
    assert tokens(events) == theirs[0, len(prompt) :].tolist()
    finish = events[-1]
    assert isinstance(finish, FinishEvent)
    assert (finish.reason, finish.prompt_tokens, finish.completion_tokens) == ("length", len(prompt), 20)
    assert "".join(e.text for e in events) == engine.decode(tokens(events)).rstrip("\ufffd")


def test_logprobs_are_the_models_own_before_sampling(engine: Engine, model: Any) -> None:
    prompt = engine.encode("The cat")
    hot = Sampling(max_tokens=15, temperature=1.5, top_k=20, repetition_penalty=1.5, seed=3)
    events = list(engine.stream_sync(GenerateRequest(tuple(prompt), hot)))
    whole = torch.tensor([prompt + tokens(events)])
    with torch.no_grad():
        logprobs = model(whole, use_cache=False).logits[0].log_softmax(-1)  # (T, V)
    wanted = [float(logprobs[len(prompt) - 1 + i, t]) for i, t in enumerate(tokens(events))]
    assert [e.logprob for e in events if isinstance(e, TokenEvent)] == pytest.approx(wanted, abs=1e-4)


def test_a_prompt_of_several_chunks_is_seen_whole(tokenizer: Tokenizer) -> None:
    end = tokenizer.token_to_id("<|endoftext|>")
    config = GPT2Config(
        vocab_size=320,
        n_positions=700,
        n_embd=32,
        n_layer=2,
        n_head=2,
        eos_token_id=end,
        initializer_range=0.3,
    )
    torch.manual_seed(1)
    model: Any = GPT2LMHeadModel(config).eval()  # type: ignore[no-untyped-call]
    engine = Engine(model, tokenizer, name="long", device="cpu")
    prompt = torch.randint(1, 320, (600,)).tolist()
    [event, finish] = engine.stream_sync(
        GenerateRequest(tuple(prompt), Sampling(max_tokens=1, temperature=0, repetition_penalty=1))
    )
    engine.close()
    with torch.no_grad():
        logits = model(torch.tensor([prompt]), use_cache=False).logits[0, -1]
    assert isinstance(event, TokenEvent)
    assert event.id == int(logits.argmax())
    assert event.logprob == pytest.approx(float(logits.log_softmax(-1).max()), abs=1e-4)
    assert isinstance(finish, FinishEvent) and finish.prompt_tokens == 600


def test_the_same_seed_gives_the_same_text_and_another_another(engine: Engine) -> None:
    texts = [engine.complete(ask(engine, "You", Sampling(max_tokens=30, seed=s))) for s in (1, 1, 2)]
    assert texts[0] == texts[1]
    assert texts[0][0] != texts[2][0]


def test_without_a_seed_one_is_drawn_and_reported(engine: Engine) -> None:
    text, finish = engine.complete(ask(engine, "You", Sampling(max_tokens=30)))
    again = engine.complete(ask(engine, "You", Sampling(max_tokens=30, seed=finish.seed)))
    assert again == (text, finish)
    assert engine.complete(ask(engine, "You", Sampling(max_tokens=30)))[1].seed != finish.seed


def test_an_empty_prompt_is_the_end_of_text_token(engine: Engine) -> None:
    text, finish = engine.complete(GenerateRequest((), GREEDY))
    other, _ = engine.complete(GenerateRequest((engine.end_of_text,), GREEDY))
    assert (text, finish.prompt_tokens) == (other, 1)


@pytest.mark.parametrize(("prompt", "asked", "given"), [(60, 100, 4), (63, 5, 1), (10, 7, 7), (10, 0, 0)])
def test_max_tokens_is_cut_to_what_the_context_leaves(engine: Engine, prompt: int, asked: int, given: int) -> None:
    sampling = Sampling(max_tokens=asked, min_tokens=asked, seed=1)
    _, finish = engine.complete(GenerateRequest((5,) * prompt, sampling))
    assert (finish.reason, finish.prompt_tokens, finish.completion_tokens) == ("length", prompt, given)


@pytest.mark.parametrize(("length", "over"), [(64, 1), (100, 37)])
def test_a_prompt_that_fills_the_context_is_refused_by_the_call(engine: Engine, length: int, over: int) -> None:
    with pytest.raises(
        PromptTooLong, match=rf"has {length} tokens; .* holds 64, .* Shorten the prompt by {over} tokens"
    ):
        engine.stream_sync(GenerateRequest((5,) * length))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (GenerateRequest((5, 320)), r"prompt_ids holds the id 320; ids go from 0 to 319\."),
        (GenerateRequest((-1,)), r"prompt_ids holds the id -1;"),
        (GenerateRequest((5,), Sampling(logit_bias=((999, 1.0),))), r"logit_bias holds the id 999;"),
        (
            GenerateRequest((5,), Sampling(logit_bias=((9, float("nan")),))),
            r"logit_bias holds a value that is not",
        ),
        (GenerateRequest((5,), Sampling(seed=2**64)), r"seed is 18446744073709551616; it must lie between"),
        (GenerateRequest((5,), stop=("a", "")), r"stop holds an empty string"),
        (GenerateRequest((5,), deadline=-1), r"deadline is -1; it must be 0 or more"),
        (GenerateRequest((5,), adapter="x"), r"There is no adapter 'x'\. Known: none\."),
    ],
)
def test_a_wrong_request_is_refused_by_the_call(engine: Engine, request_: GenerateRequest, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        engine.stream_sync(request_)


def test_end_of_text_ends_the_text_and_is_not_in_it(engine: Engine) -> None:
    eager = Sampling(max_tokens=20, seed=1, logit_bias=((engine.end_of_text, 1000.0),))
    text, finish = engine.complete(ask(engine, "You", eager))
    assert (text, finish.reason, finish.completion_tokens) == ("", "stop", 0)
    later = Sampling(max_tokens=20, seed=1, min_tokens=3, logit_bias=((engine.end_of_text, 1000.0),))
    text, finish = engine.complete(ask(engine, "You", later))
    assert (finish.reason, finish.completion_tokens) == ("stop", 3)
    assert "<|endoftext|>" not in text


def letters_only(engine: Engine, **rest: int) -> Sampling:
    """Draws among the ASCII letters, whose tokens are one character each."""
    letters = [engine.encode(c)[0] for c in "abcdefghijklmnopqrstuvwxyz"]
    bias = tuple((i, 500.0) for i in letters)
    return Sampling(max_tokens=30, temperature=5, top_p=1, logit_bias=bias, **rest)


def test_a_stop_string_ends_the_text_and_does_not_leak(engine: Engine) -> None:
    sampling = letters_only(engine, seed=1)
    whole, _ = engine.complete(ask(engine, "You", sampling))
    assert len(whole) == 30
    stop = whole[9:12]
    events = list(engine.stream_sync(ask(engine, "You", sampling, stop=("#", stop))))
    assert "".join(e.text for e in events) == whole[: whole.index(stop)]
    finish = events[-1]
    assert isinstance(finish, FinishEvent)
    assert (finish.reason, finish.text, finish.completion_tokens) == ("stop", "", whole.index(stop) + 3)


def test_what_was_held_back_comes_with_the_finish(engine: Engine) -> None:
    sampling = letters_only(engine, seed=1)
    whole, _ = engine.complete(ask(engine, "You", sampling))
    *_, last, finish = engine.stream_sync(ask(engine, "You", sampling, stop=(whole[-2:] + "#",)))
    assert (last.text, finish.text) == ("", whole[-2:])
    assert isinstance(finish, FinishEvent) and finish.reason == "length"


def test_stops_are_not_taken_before_min_tokens(engine: Engine) -> None:
    whole, _ = engine.complete(ask(engine, "You", letters_only(engine, seed=1)))
    sampling = letters_only(engine, seed=1, min_tokens=12)
    stops = (whole[3], whole[20:22])  # the first occurs early, and perhaps again
    text, finish = engine.complete(ask(engine, "You", sampling, stop=stops))
    first = min(i for i in (whole.find(stops[0], 11), whole.find(stops[1], 11)) if i >= 0)
    assert (text, finish.reason) == (whole[:first], "stop")


def test_the_padding_of_a_head_is_never_drawn(tokenizer: Tokenizer) -> None:
    end = tokenizer.token_to_id("<|endoftext|>")
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=1024, n_positions=64, n_embd=32, n_layer=1, n_head=2, eos_token_id=end)
    )
    engine = Engine(model, tokenizer, name="padded", device="cpu")
    wild = Sampling(max_tokens=60, min_tokens=60, temperature=50, top_p=1, seed=1)
    drawn = tokens(list(engine.stream_sync(GenerateRequest((5,), wild))))
    engine.close()
    assert len(drawn) == 60
    assert max(drawn) < 320


def test_special_tokens_typed_by_people_stay_text(engine: Engine, tokenizer: Tokenizer) -> None:
    typed = "a<|endoftext|>b"
    assert engine.end_of_text in tokenizer.encode(typed).ids  # without care it would end the story
    ids = engine.encode(typed)
    assert engine.end_of_text not in ids
    assert engine.decode(ids) == typed
    assert engine.count(typed) == len(ids)
    assert engine.decode([engine.end_of_text]) == "<|endoftext|>"


def test_a_tokenizer_that_truncates_or_pads_does_neither_here(model: Any, tokenizer: Tokenizer) -> None:
    other = Tokenizer.from_str(tokenizer.to_str())
    other.enable_truncation(2)
    other.enable_padding(length=50)
    engine = Engine(model, other, name="tiny", device="cpu")
    engine.close()
    assert engine.encode("You open the gate.") == tokenizer.encode("You open the gate.").ids
    assert len(other.encode("You open the gate.").ids) == 50  # the caller's own is as it was
