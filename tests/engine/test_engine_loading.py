"""What an engine is made of: folders, runs, adapters, devices, weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel

from textxfer.engine import Engine, GenerateRequest, Sampling, TokenEvent
from textxfer.engine.fallback import TransformersModel, find_dtype
from textxfer.engine.request import Event
from textxfer.errors import ConfigError, EngineError, ModelError
from textxfer.runs import Run

PROMPT = (5, 6, 7)
GREEDY = Sampling(max_tokens=12, min_tokens=12, temperature=0, repetition_penalty=1.0)


def copy_of(model: Any) -> Any:
    twin = GPT2LMHeadModel(model.config)
    twin.load_state_dict(model.state_dict())
    return twin.eval()  # type: ignore[no-untyped-call]


def greedy_of(model: Any) -> str:
    """What a model would say, by transformers, as ids joined."""
    prompt = torch.tensor([PROMPT])
    out = model.generate(prompt, max_new_tokens=12, min_new_tokens=12, do_sample=False, pad_token_id=0)
    return " ".join(map(str, out[0, len(PROMPT) :].tolist()))


def said(engine: Engine, adapter: str | None = None) -> str:
    return ids(engine.stream_sync(GenerateRequest(PROMPT, GREEDY, adapter=adapter)))


def ids(events: Iterable[Event]) -> str:
    return " ".join(str(e.id) for e in events if isinstance(e, TokenEvent))


def make_adapter(model: Any, tokenizer: Tokenizer, model_folder: Path, run: Path, seed: int) -> str:
    """A run whose model/ is a LoRA adapter of the model there; what the merged model says."""
    torch.manual_seed(seed)
    config = LoraConfig(
        r=4,
        target_modules=["c_attn", "c_fc"],
        fan_in_fan_out=True,
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(copy_of(model), config)
    folder = run / "model"
    adapted.save_pretrained(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "base.json").write_text(json.dumps({"base": str(model_folder)}))
    (run / "run.yaml").write_text("{}\n")
    return greedy_of(adapted.merge_and_unload())


def test_a_model_folder(model_folder: Path, model: Any) -> None:
    engine = Engine.load(model_folder, device="cpu")
    assert (engine.name, engine.path, engine.context, engine.adapters) == ("base", "transformers", 64, ())
    assert said(engine) == greedy_of(model)
    engine.close()


@pytest.mark.parametrize("form", ["path", "text", "run"])
def test_a_run(model_folder: Path, model: Any, tmp_path: Path, form: str) -> None:
    run = tmp_path / "runs" / "demo"
    shutil.copytree(model_folder, run / "model")
    (run / "run.yaml").write_text("{}\n")
    forms: dict[str, Run | Path | str] = {"path": run, "text": str(run), "run": Run.load(run)}
    engine = Engine.load(forms[form], device="cpu")
    assert (engine.name, said(engine)) == ("demo", greedy_of(model))
    engine.close()


def test_a_run_that_holds_an_adapter_is_merged(
    model_folder: Path, model: Any, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    wanted = make_adapter(model, tokenizer, model_folder, tmp_path / "lora", seed=1)
    engine = Engine.load(tmp_path / "lora", device="cpu")
    assert (engine.name, said(engine)) == ("lora", wanted)
    assert wanted != greedy_of(model)
    engine.close()


def test_each_request_chooses_its_adapter(model_folder: Path, model: Any, tokenizer: Tokenizer, tmp_path: Path) -> None:
    wanted: dict[str | None, str] = {None: greedy_of(model)}
    for name, seed in (("noir", 1), ("sea", 2)):
        wanted[name] = make_adapter(model, tokenizer, model_folder, tmp_path / name, seed)
    engine = Engine.load(
        model_folder,
        device="cpu",
        adapters={"noir": tmp_path / "noir", "sea": str(tmp_path / "sea" / "model")},
    )
    assert engine.adapters == ("noir", "sea")
    assert {name: said(engine, name) for name in ("sea", None, "noir")} == wanted
    # ... and beside one another, a token each
    streams = {name: engine.stream_sync(GenerateRequest(PROMPT, GREEDY, adapter=name)) for name in wanted}
    together = {name: ids(stream) for name, stream in streams.items()}
    assert together == wanted
    with pytest.raises(EngineError, match=r"There is no adapter 'noire'\. Did you mean 'noir'\? Known: noir, sea\."):
        said(engine, "noire")
    engine.close()


def test_layers_saved_whole_beside_an_adapter_are_switched_too(model: Any, tmp_path: Path) -> None:
    plain = copy_of(model)
    adapted = get_peft_model(
        copy_of(model), LoraConfig(target_modules=["c_attn"], fan_in_fan_out=True, modules_to_save=["ln_f"])
    )
    for name, weight in adapted.named_parameters():
        if "modules_to_save" in name and name.endswith("bias"):
            torch.nn.init.constant_(weight, 2.0)
    adapted.save_pretrained(str(tmp_path))
    answers = TransformersModel(plain, device="cpu")
    alone = answers.step([5], answers.new_cache(), None)
    answers.add_adapter("a", tmp_path)
    without, with_it, again = (answers.step([5], answers.new_cache(), a) for a in (None, "a", None))
    with torch.no_grad():
        wanted = adapted.eval()(torch.tensor([[5]])).logits[0, -1]
    assert torch.equal(without, alone) and torch.equal(again, alone)
    assert torch.allclose(with_it, wanted, atol=1e-5)
    assert not torch.allclose(with_it, alone, atol=0.1)
    assert torch.allclose(answers.step([5], answers.new_cache(), "a"), wanted, atol=1e-5)  # on, after it was off


@pytest.mark.parametrize(
    ("break_", "message"),
    [
        (
            lambda f: (f / "adapter_model.safetensors").unlink(),
            "is no adapter: it has no adapter_model.safetensors",
        ),
        (lambda f: (f / "adapter_config.json").unlink(), "is no adapter: it has no adapter_config.json"),
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"junk"), "does not fit the model"),
        (lambda f: (f / "adapter_config.json").write_text("{"), "does not fit the model"),
    ],
)
def test_a_damaged_adapter_is_refused(
    model_folder: Path,
    model: Any,
    tokenizer: Tokenizer,
    tmp_path: Path,
    break_: Callable[[Path], object],
    message: str,
) -> None:
    make_adapter(model, tokenizer, model_folder, tmp_path / "lora", seed=1)
    break_(tmp_path / "lora" / "model")
    with pytest.raises(ModelError, match=message):
        Engine.load(model_folder, device="cpu", adapters={"a": tmp_path / "lora"})


def test_an_adapter_of_a_model_of_another_size_is_refused(
    model_folder: Path, model: Any, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model.config.n_embd = 16
    narrow = GPT2LMHeadModel(model.config)
    make_adapter(narrow, tokenizer, model_folder, tmp_path / "lora", seed=1)
    with pytest.raises(ModelError, match="does not fit the model"):
        Engine.load(model_folder, device="cpu", adapters={"a": tmp_path / "lora"})


def test_an_adapter_that_is_nowhere_is_refused(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"The adapter 'a': there is no folder .*/nowhere\. Give a run's folder"):
        Engine.load(model_folder, device="cpu", adapters={"a": tmp_path / "nowhere"})


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("{}\n")
    with pytest.raises(ModelError, match="is not finished"):
        Engine.load(tmp_path)


def test_a_folder_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no folder"):
        Engine.load(tmp_path / "nowhere")


def test_a_model_without_end_of_text_is_refused(model: Any, tokenizer: Tokenizer) -> None:
    model.config.eos_token_id = 50256  # GPT2Config's own default, beyond a smaller vocabulary
    with pytest.raises(ModelError, match=r"no end-of-text token within its 320 tokens \(eos_token_id is 50256\)"):
        Engine(model, tokenizer, name="endless", device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "int8"}, r"weights is 'int8'; it must be one of auto, float32, bf16\."),
        ({"device": "gpu"}, r"device is 'gpu'; it must be auto, cpu, cuda or cuda:N\."),
        ({"device": "meta"}, r"device is 'meta'; it must be"),
        ({"device": "cuda:99"}, r"device is 'cuda:99'; torch sees \d+ CUDA devices here"),
    ],
)
def test_a_word_that_is_not_known_is_refused(
    model: Any, tokenizer: Tokenizer, options: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Engine(model, tokenizer, name="tiny", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weights", "capability", "dtype"),
    [
        ("auto", None, torch.float32),
        ("float32", (9, 0), torch.float32),
        ("bf16", None, torch.bfloat16),
        ("auto", (8, 0), torch.bfloat16),
        ("auto", (7, 5), torch.float16),  # a T4
    ],
)
def test_weights(
    weights: str, capability: tuple[int, int] | None, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)  # no GPU is at hand here
    assert find_dtype(weights, torch.device("cuda" if capability else "cpu")) is dtype


def test_bf16_weights_give_float32_logits(model: Any) -> None:
    exact = TransformersModel(copy_of(model), device="cpu", weights="float32")
    rough = TransformersModel(model, device="cpu", weights="bf16")
    a, b = exact.step([5, 6], exact.new_cache(), None), rough.step([5, 6], rough.new_cache(), None)
    assert model.dtype is torch.bfloat16
    assert (a.shape, a.dtype, b.dtype) == ((320,), torch.float32, torch.float32)
    assert torch.allclose(a, b, rtol=0.1, atol=0.3)
    assert not torch.equal(a, b)


class Older(GPT2LMHeadModel):
    """A model that always gives the logits of every position."""

    def forward(self, input_ids: Any, past_key_values: Any, use_cache: bool) -> Any:
        return super().forward(input_ids=input_ids, past_key_values=past_key_values, use_cache=use_cache)


def test_a_model_that_gives_all_logits_gives_its_last(model: Any) -> None:
    older = Older(model.config)
    older.load_state_dict(model.state_dict())
    a, b = TransformersModel(older, device="cpu"), TransformersModel(model, device="cpu")
    last = b.step([5, 6], b.new_cache(), None)
    assert torch.allclose(a.step([5, 6], a.new_cache(), None), last, atol=1e-4)
