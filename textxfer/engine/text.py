"""Tokens to text as they come, never half a character."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

_REPLACEMENT = "\ufffd"  # how a decoder shows bytes that are no character (yet)


class TextDecoder:
    """Decodes token by token; the pieces joined are the decoding of the whole.

    A character whose bytes lie in several tokens comes with the last of them.
    What is unfinished when the tokens end is dropped, and with it any U+FFFD at
    the very end: a decoder shows both alike.

    context: tokens before the first one; some decoders (SentencePiece's) strip
    the space at the beginning of a text, which a continuation must keep.
    """

    def __init__(self, tokenizer: Tokenizer, context: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        # The window: the tokens of the last piece, then those not settled yet. Only it is decoded anew.
        text = self._decode(list(context))
        self._window = [] if text.endswith(_REPLACEMENT) else list(context)
        self._old = len(self._window)  # tokens of the window that are settled
        self._given = len(text) if self._window else 0  # characters of the window already given

    def push(self, token: int) -> str:
        """The text that this token settles."""
        self._window.append(token)
        text = self._decode(self._window)
        # All of a run is held, since a SentencePiece decoder shows a run of bytes with an unfinished
        # character at its end as replacements from its beginning.
        settled = text.rstrip(_REPLACEMENT)
        piece = settled[self._given :]
        if piece and settled == text:
            self._window = self._window[self._old :]
            self._old = len(self._window)
            self._given = len(self._decode(self._window))
        else:
            self._given += len(piece)
        return piece

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False)
