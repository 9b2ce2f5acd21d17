"""File formats that stories are read from, one file a format.

A format is a function ``parse(data, name, reject) -> list[Story]`` registered
under the suffixes it reads:

    @formats.register("txt")
    def parse(data: bytes, name: str, reject: Reject = ignore) -> list[Story]: ...

``name`` is the file's name. ``reject(where, reason)`` is called for each part
that is left out while the rest can be kept; CorpusError says that the whole
file cannot be read. Nothing in a file is ever evaluated.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable
from pathlib import PurePath

from textxfer.errors import CorpusError
from textxfer.registry import Registry
from textxfer.story import Story

__all__ = ["Format", "Reject", "decode", "formats", "ignore", "slug", "stem"]

Reject = Callable[[str, str], None]
Format = Callable[[bytes, str, Reject], list[Story]]

formats: Registry[Format] = Registry("format", package="textxfer.corpus.formats", group="textxfer.formats")

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # leaves \t \n \v \f \r and escape
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def ignore(where: str, reason: str) -> None:
    """A ``reject`` for callers that do not want the reasons."""


def decode(data: bytes, name: str) -> str:
    """UTF-8, with or without a byte order mark, or UTF-16 with one; line ends become ``\\n``.

    Raises CorpusError with the offset of the first bad byte, counted from 0.
    """
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    if encoding == "utf-8-sig":
        controls = len(_CONTROL.findall(data))
        first = _CONTROL.search(data)
        # A stray control character is cleaned away later; NULs and many of them mean a binary file.
        if first is not None and (b"\0" in data or controls * 20 > len(data)):
            raise CorpusError(
                f"{name}: byte 0x{data[first.start()]:02x} at offset {first.start()} means it is no text, "
                f"whatever its name says; convert it to UTF-8 text first."
            )
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        # utf-8-sig counts from behind the mark; say the offset in the file
        offset = error.start + (3 if encoding == "utf-8-sig" and data.startswith(codecs.BOM_UTF8) else 0)
        raise CorpusError(
            f"{name}: byte 0x{data[offset]:02x} at offset {offset} is not valid "
            f"{encoding.removesuffix('-sig').upper()}; save the file as UTF-8 and try again."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def stem(name: str) -> str:
    """The file's name without folders and its last suffix."""
    return PurePath(name).stem


def slug(title: str) -> str:
    """A title as an id: ``The Owing Tide`` -> ``the-owing-tide``; letters of any script stay."""
    folded = unicodedata.normalize("NFKC", title).casefold().replace("'", "").replace("’", "")
    return re.sub(r"[\W_]+", "-", folded).strip("-") or "story"
