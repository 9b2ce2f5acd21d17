"""From files and folders to clean stories, with the reason for everything left out."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from textxfer.corpus.clean import clean, clean_line, drop_reason
from textxfer.corpus.dedupe import near_duplicates
from textxfer.corpus.formats import formats
from textxfer.errors import CorpusError
from textxfer.story import Choice, Passage, Source, Story

__all__ = ["Progress", "Reading", "Rejected", "read"]

Progress = Callable[[str, int, int], None]  # file name, files done, files in all

# Notes about a folder, not stories, whatever their suffix.
_NOTES = frozenset({"readme", "license", "licence", "copying", "notice", "source", "sources"})
_NOTE_REASON = "is a note about the folder by its name; rename it if it is a story"


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was left out (a file, a line, a story, a link) and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The stories that can be used, and what was left out."""

    stories: list[Story] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def read(path: str | Path, *, progress: Progress | None = None) -> Reading:
    """Reads one file, or a folder with all its folders, formats mixed.

    Names that begin with ``_`` or ``.`` are skipped, links to folders are not
    followed. Stories come cleaned, in the order of the sorted file names, with
    unique ids, without passages that no link reaches and without near-duplicates.

    Raises CorpusError where the path is missing, the one file is bad, or no
    story can be read; of several files the bad ones are in ``rejected``.
    """
    root = Path(path)
    if not root.exists():
        raise CorpusError(
            f"There is no file or folder {str(root)!r}; name a story file ({_known()}) or a folder of them."
        )
    reading = Reading()
    if root.is_dir():
        files = list(_files(root, reading))
        names = [file.relative_to(root).as_posix() for file in files]
    else:
        files, names = [root], [root.name]
    for done, (file, name) in enumerate(zip(files, names, strict=True), start=1):
        try:
            _read_file(file, name, reading)
        except CorpusError as error:
            reading.rejected.append(Rejected(name, str(error).removeprefix(f"{name}: ")))
        if progress is not None:
            progress(name, done, len(files))
    _drop_near_duplicates(reading)
    if not reading.stories:
        raise CorpusError(_nothing(root, reading.rejected))
    return reading


def _known() -> str:
    return ", ".join(f".{suffix}" for suffix in formats.names())


def _nothing(root: Path, rejected: list[Rejected]) -> str:
    if not rejected:
        return f"{str(root)!r} holds no stories; put files of these kinds there: {_known()}."
    first = next((r for r in rejected if r.reason is not _NOTE_REASON), rejected[0])
    more = f" (and {len(rejected) - 1} more)" if len(rejected) > 1 else ""
    return f"No story can be read from {str(root)!r}: {first.name}: {first.reason.rstrip('.')}{more}."


def _files(root: Path, reading: Reading) -> Iterator[Path]:
    """Story files under ``root``, sorted; a link to a folder is not followed, so no loop is."""

    def unlisted(error: OSError) -> None:
        reading.rejected.append(Rejected(str(error.filename), f"cannot be listed: {error.strerror}"))

    for folder, folders, names in os.walk(root, onerror=unlisted):
        folders[:] = sorted(name for name in folders if not name.startswith(("_", ".")))
        for name in sorted(names):
            file = Path(folder, name)
            note = name.split(".")[0].casefold() in _NOTES
            if name.startswith(("_", ".")) or (note and file.suffix[1:].lower() not in formats.names()):
                continue
            if note:
                reading.rejected.append(Rejected(file.relative_to(root).as_posix(), _NOTE_REASON))
            else:
                yield file


def _read_file(file: Path, name: str, reading: Reading) -> None:
    suffix = file.suffix[1:].lower()
    if suffix not in formats.names():
        shown = f"format .{suffix}" if suffix else "a file without a suffix"
        raise CorpusError(f"{name}: {shown} is not read; known: {_known()}")
    if not file.is_file():
        raise CorpusError(f"{name}: it is not a regular file, or a link that leads nowhere")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CorpusError(f"{name}: it cannot be read: {error.strerror}") from None
    digest = hashlib.sha256(data).hexdigest()
    taken = {story.id for story in reading.stories}
    parts: list[Rejected] = []
    stories = formats.get(suffix)(data, name, lambda where, reason: parts.append(Rejected(where, reason)))
    reading.rejected.extend(parts)
    for story in stories:
        tidy = _tidy(story, digest)
        reached = tidy.reachable()
        unreached = [id for id in tidy.passages if id not in reached]
        if unreached:
            tidy = _without(tidy, unreached)
            reading.rejected.append(Rejected(f"{name}: {tidy.id}", _unreached_reason(unreached)))
        reason = drop_reason(tidy)
        if reason is not None:
            reading.rejected.append(Rejected(f"{name}: {tidy.id}" if len(stories) > 1 else name, reason))
            continue
        tidy = dataclasses.replace(tidy, id=_unique(tidy.id, taken))
        taken.add(tidy.id)
        reading.stories.append(tidy)
    if not stories and not parts:
        raise CorpusError(f"{name}: it holds no stories")


def _tidy(story: Story, digest: str) -> Story:
    """Cleaned, with the digest of its file where its source has none of its own."""
    passages = {
        p.id: Passage(p.id, clean(p.text), tuple(Choice(clean_line(c.text), c.to) for c in p.choices))
        for p in story.passages.values()
    }
    given = story.source
    source = Source(
        url=given.url,
        title=clean_line(given.title) or story.id,
        author=clean_line(given.author),
        licence=clean_line(given.licence) or "unknown",
        fetched_at=given.fetched_at,
        sha256=given.sha256 or digest,
    )
    return dataclasses.replace(story, source=source, passages=passages)


def _without(story: Story, ids: list[str]) -> Story:
    gone = set(ids)
    return dataclasses.replace(story, passages={i: p for i, p in story.passages.items() if i not in gone})


def _unreached_reason(ids: list[str]) -> str:
    few = ", ".join(map(repr, ids[:3])) + (", …" if len(ids) > 3 else "")
    return f"{len(ids)} of its passages cannot be reached by links from its start and are left out: {few}"


def _unique(id: str, taken: set[str]) -> str:
    if id not in taken:
        return id
    number = 2
    while f"{id}-{number}" in taken:
        number += 1
    return f"{id}-{number}"


def _drop_near_duplicates(reading: Reading) -> None:
    texts = ["\n".join(p.text for p in story.passages.values()) for story in reading.stories]
    kept = []
    for first, *others in near_duplicates(texts):
        kept.append(reading.stories[first])
        reason = f"a near-duplicate of {reading.stories[first].id}"
        reading.rejected.extend(Rejected(reading.stories[other].id, reason) for other in others)
    reading.stories[:] = kept
