"""GPT-2 as people know it (124M parameters, 50,257 tokens), with random weights: one step, saved, loaded, served."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import textxfer


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model folder with GPT-2's own shape; its vocabulary is made of pairs of bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("gpt2")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = list(itertools.islice(itertools.product(letters, letters), 50_000))
    vocabulary = {token: i for i, token in enumerate([*letters, *(a + b for a, b in merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    assert tokenizer.get_vocab_size() == 50_257 and tokenizer.token_to_id("<|endoftext|>") == 50_256
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config())
    assert sum(p.numel() for p in model.parameters()) == 124_439_808
    model.save_pretrained(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(600)
def test_one_step_saved_loaded_served(gpt2, corpus, tmp_path):
    out = tmp_path / "run"
    settings = ["data.context=256", "optim.tokens_per_step=512", "sample.tokens=2", "data.eval_tokens=200"]
    run = textxfer.train(corpus, str(gpt2), "full", out=out, steps=1, overrides=settings, quiet=True)
    assert run.result["steps"] == 1
    assert run.result["bits_per_byte"]["after"] != run.result["bits_per_byte"]["before"]

    words = [sys.executable, "-u", "-m", "textxfer", "serve", str(out), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = next(line for line in server.stdout if "http://" in line)
            url = re.search(r"http://[\d.:]+", said).group()
            body = {"model": "run", "prompt": "You see the lamp", "max_tokens": 3, "seed": 1}
            answer = httpx.post(f"{url}/v1/completions", json=body, timeout=120)
            assert answer.status_code == 200, answer.text
            assert answer.json()["usage"]["completion_tokens"] == 3
        finally:
            server.terminate()
    shutil.rmtree(out)
