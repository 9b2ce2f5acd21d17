"""What many tests share: a small corpus of our own and a tiny base that trains in a second."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ROOT = Path(__file__).parent.parent
ADVENTURE = next((ROOT / "examples").glob("*.twee"))

_WORDS = """
lamp gate river mule harbour stair bell tower candle rope salt wind letter door garden ferry crow
kettle stone ladder market orchard whistle cellar lantern wagon thorn ember anchor feather copper
mirror needle
""".split()  # noqa: SIM905


def prose(seed: int, words: int = 60) -> str:
    """Nonsense with the shape of prose: the same seed, the same words."""
    draw = random.Random(seed)
    sentences, left = [], words
    while left > 0:
        length = min(draw.randint(5, 11), max(left, 3))
        sentence = " ".join(draw.choice(_WORDS) for _ in range(length))
        sentences.append(f"You see the {sentence}.")
        left -= length + 3
    return " ".join(sentences)


def twee(passages: int = 24) -> str:
    """A branching story with a loop and joins: passage i leads to i + 1, i + 2 and back to 0."""
    parts = [':: StoryData\n{"ifid": "D0B9A3B0-0000-4000-8000-000000000000", "start": "P0"}\n']
    for i in range(passages):
        links = [f"[[Go on to {j}->P{j}]]" for j in (i + 1, i + 2) if j < passages]
        if i % 7 == 5:
            links.append("[[Walk back->P0]]")
        parts.append(f":: P{i}\n{prose(i)}\n\n" + "\n".join(links if i < passages - 1 else []) + "\n")
    return "\n".join(parts)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one branching story."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "harbour.twee").write_text(twee(), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_base(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of random weights, 2 layers × 32, 400 tokens, context 128, as a model folder."""
    from textxfer.corpus.read import read
    from textxfer.corpus.walk import covering_walks
    from textxfer.training.pretrain import Shape, make_base

    folder = tmp_path_factory.mktemp("base") / "tiny"
    walks = [w for story in read(corpus).stories for w in covering_walks(story, seed=0)]
    make_base(walks, Shape(vocabulary=400, layers=2, width=32, heads=2, context=128), folder, seed=0)
    return folder
