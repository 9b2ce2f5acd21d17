"""Text as it should be, and the reasons why a story is dropped."""

from __future__ import annotations

import re

from textxfer.story import Story

__all__ = ["clean", "clean_line", "count_words", "drop_reason", "straighten"]

# Soft hyphen, zero-width space, word joiner, byte order mark, Mongolian vowel separator. Zero-width
# joiners go only where no script needs them: not between letters of Hebrew (U+0590) and later blocks.
_INVISIBLE = re.compile(
    "[\u00ad\u200b\u2060\ufeff\u180e]|(?<![\u0590-\U0010ffff])[\u200c\u200d]|[\u200c\u200d](?![\u0590-\U0010ffff])"
)
_BLANKS = re.compile(r"[^\S\n]+")
_QUOTES = str.maketrans(dict.fromkeys("‘’‚‛′", "'") | dict.fromkeys("“”„‟″", '"'))
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+(?:['’-][^\W{_CJK}]+)*")
_MARKUP = re.compile(r"[<>{}\[\]=$|\\_#&@^~+%`]")

FEWEST_WORDS = 20
MOST_MARKUP = 0.08  # of the characters that are no white space; prose has well under 0.01


def clean(text: str) -> str:
    """Mended mojibake and HTML entities (ftfy), NFC, plain white space.

    Quotes and other Unicode stay as they are. Afterwards no line begins or ends
    with a blank, blanks come one at a time and blank lines too.
    """
    import ftfy

    text = ftfy.fix_text(text, uncurl_quotes=False, fix_character_width=False)
    text = _BLANKS.sub(" ", _INVISIBLE.sub("", text))
    text = re.sub(r" ?\n ?", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def clean_line(text: str) -> str:
    """The same on one line: titles, names, actions."""
    return " ".join(clean(text).split())


def straighten(text: str) -> str:
    """Curly quotes and primes become ``'`` and ``"``."""
    return text.translate(_QUOTES)


def count_words(text: str) -> int:
    """Words; a character of Chinese, Japanese or Korean counts as one."""
    return sum(1 for _ in _WORD.finditer(text))


def drop_reason(story: Story) -> str | None:
    """Why a cleaned story is of no use, or None where it is."""
    text = "\n".join(passage.text for passage in story.passages.values())
    words = count_words(text)
    if words < FEWEST_WORDS:
        return f"too short: {words} words, at least {FEWEST_WORDS} are needed"
    solid = len(text) - sum(map(str.isspace, text))
    markup = len(_MARKUP.findall(text)) / solid
    if markup > MOST_MARKUP:
        return f"mostly markup: {markup:.0%} of its characters are brackets and the like"
    return None
