"""A tokenizer from its file, and what its tokens stand for. Without torch, unlike transformers' AutoTokenizer."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """A ``tokenizer.json`` in which special tokens typed by people stay text."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    return tokenizer


def fingerprint(tokenizer: Tokenizer) -> str:
    """sha256 of everything that decides how text becomes tokens."""
    return hashlib.sha256(tokenizer.to_str().encode()).hexdigest()


def token_bytes(tokenizer: Tokenizer) -> np.ndarray:
    """UTF-8 bytes that each token stands for, (V,) int64; special tokens stand for none.

    A byte-level BPE writes each byte as one printable character, so a token's
    bytes are its characters (Radford et al. 2019, section 2.2).
    """
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    lengths = np.zeros(size, dtype=np.int64)
    special = {int(i) for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    byte_level = "ByteLevel" in str(type(tokenizer.decoder).__name__)
    for token, index in tokenizer.get_vocab(with_added_tokens=True).items():
        if index in special:
            continue
        if byte_level:
            lengths[index] = len(token)
        elif token.startswith("<0x") and len(token) == 6:
            lengths[index] = 1
        else:
            lengths[index] = len(token.replace("▁", " ").encode())
    return lengths
