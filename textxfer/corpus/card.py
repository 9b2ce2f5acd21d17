"""What a corpus holds, in figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textxfer.corpus.clean import count_words
from textxfer.corpus.read import Reading, read
from textxfer.errors import CorpusError
from textxfer.story import Story

__all__ = ["STARTER_TOKENIZER", "rows", "stats"]

STARTER_TOKENIZER = Path(__file__).parents[1] / "models" / "starter" / "tokenizer.json"


def stats(source: str | Path | Reading, *, tokenizer: str | Path = STARTER_TOKENIZER) -> dict[str, Any]:
    """``{stories, passages, choices, endings, words, tokens, dropped}`` of a path or a Reading.

    words and tokens are those of the passages' prose; ``tokenizer`` is a
    tokenizer.json or a folder that holds one. dropped is a list of
    ``{name, reason}``. Raises CorpusError as ``read`` does, and where the
    tokenizer cannot be loaded.
    """
    reading = source if isinstance(source, Reading) else read(source)
    each = rows(reading, tokenizer=tokenizer)
    sums = ("passages", "choices", "endings", "words", "tokens")
    return {
        "stories": len(reading.stories),
        **{name: sum(row[name] for row in each) for name in sums},
        "dropped": [{"name": r.name, "reason": r.reason} for r in reading.rejected],
    }


def rows(reading: Reading, *, tokenizer: str | Path = STARTER_TOKENIZER) -> list[dict[str, Any]]:
    """The figures of each story, with its id, title, author and licence."""
    encoder = _load(Path(tokenizer))
    return [_row(story, encoder) for story in reading.stories]


def _row(story: Story, encoder: Any) -> dict[str, Any]:
    texts = [passage.text for passage in story.passages.values()]
    encoded = encoder.encode_batch_fast(texts, add_special_tokens=False)
    return {
        "id": story.id,
        "title": story.source.title,
        "author": story.source.author,
        "licence": story.source.licence,
        "passages": len(story.passages),
        "choices": sum(1 for _ in story.edges()),
        "endings": len(story.endings()),
        "words": sum(map(count_words, texts)),
        "tokens": sum(map(len, encoded)),
    }


def _load(path: Path) -> Any:
    from textxfer.tokenizer import load_tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise CorpusError(f"There is no tokenizer {str(file)!r}; name a tokenizer.json or a folder that holds one.")
    try:
        encoder = load_tokenizer(file)
    except Exception as error:  # tokenizers raises plain Exception
        raise CorpusError(f"{str(file)!r} is no tokenizer of the tokenizers library: {error}.") from None
    encoder.no_truncation()
    return encoder
