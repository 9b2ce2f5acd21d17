from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from textxfer.corpus.read import Reading, Rejected, read
from textxfer.errors import CorpusError
from textxfer.story import Source

KNOWN = ".jsonl, .markdown, .md, .tw, .twee, .txt"
LONG = "The sea went out at Quillet eleven days ago, and no one in the town can say why it did not come back."
OTHER = "A mule, a milestone and a gorse bush stood on the hill, and none of the three was glad to see you."


def test_one_file_with_its_source(tmp_path: Path) -> None:
    file = tmp_path / "the-gate.txt"
    file.write_bytes(LONG.replace(" a", "\u00a0a").encode())
    [story] = read(file).stories
    assert story.id == "the-gate"
    assert story.passages["start"].text == LONG
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert story.source == Source(title="the-gate", sha256=digest, fetched_at="")


def test_a_folder_is_read_through_in_order_whatever_the_formats(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "tide.TXT").write_text(LONG)
    (tmp_path / "a.md").write_text(f"# Gorse *Hill*\n\n{OTHER}")
    (tmp_path / "c.twee").write_text(f":: Start\n{LONG[::-1]}\n[[Go->End]]\n:: End\n{OTHER[::-1]}")
    for skipped in ("_datasheet.md", ".hidden.txt", "LICENSE", "README", "SOURCE.zork1"):
        (tmp_path / skipped).write_text(LONG)
    (tmp_path / "_old").mkdir()
    (tmp_path / "_old" / "old.txt").write_text("Old. " * 40)
    seen: list[tuple[str, int, int]] = []
    reading = read(tmp_path, progress=lambda *at: seen.append(at))
    assert [s.id for s in reading.stories] == ["a", "c", "tide"]
    assert reading.rejected == []
    assert seen == [("a.md", 1, 3), ("c.twee", 2, 3), ("b/tide.TXT", 3, 3)]


def test_the_bad_are_listed_and_the_good_are_kept(tmp_path: Path) -> None:
    (tmp_path / "binary.txt").write_bytes(b"GIF\x00\x01")
    (tmp_path / "broken.txt").symlink_to(tmp_path / "nowhere.txt")
    (tmp_path / "cover.png").write_bytes(b"x")
    (tmp_path / "good.txt").write_text(LONG)
    (tmp_path / "lines.jsonl").write_text('{"text": 5}\n' + json.dumps({"text": OTHER}))
    (tmp_path / "noext").write_text(LONG)
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "README.md").write_text(LONG)
    (tmp_path / "short.txt").write_text("You die.")
    reading = read(tmp_path)
    assert [s.id for s in reading.stories] == ["good", "lines-2"]
    assert reading.rejected == [
        Rejected("README.md", "is a note about the folder by its name; rename it if it is a story"),
        Rejected(
            "binary.txt",
            "byte 0x00 at offset 3 means it is no text, whatever its name says; convert it to UTF-8 text first.",
        ),
        Rejected("broken.txt", "it is not a regular file, or a link that leads nowhere"),
        Rejected("cover.png", f"format .png is not read; known: {KNOWN}"),
        Rejected("lines.jsonl, line 1", 'it has neither "passages" nor a "text" that is a string'),
        Rejected("noext", f"a file without a suffix is not read; known: {KNOWN}"),
        Rejected("pipe.txt", "it is not a regular file, or a link that leads nowhere"),
        Rejected("short.txt", "too short: 2 words, at least 20 are needed"),
    ]


def test_passages_that_no_link_reaches_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.twee").write_text(f":: Start\n{LONG} [[Go->End]]\n:: End\n{OTHER}\n:: Attic\nDust.")
    reading = read(tmp_path)
    assert list(reading.stories[0].passages) == ["Start", "End"]
    assert reading.rejected == [
        Rejected(
            "a.twee: a",
            "1 of its passages cannot be reached by links from its start and are left out: 'Attic'",
        )
    ]


def test_near_duplicate_stories_are_dropped_and_ids_are_unique(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "gate.txt").write_text(LONG)
    (tmp_path / "b" / "gate.txt").write_text(OTHER)
    (tmp_path / "copy.md").write_text(LONG.upper())
    reading = read(tmp_path)
    assert [(s.id, s.passages["start"].text) for s in reading.stories] == [
        ("copy", LONG.upper()),
        ("gate-2", OTHER),
    ]
    assert reading.rejected == [Rejected("gate", "a near-duplicate of copy")]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "gate.txt").write_text(LONG)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    reading = read(tmp_path)
    assert ([s.id for s in reading.stories], reading.rejected) == (["gate"], [])


def test_what_a_scraper_wrote_down_is_kept(tmp_path: Path) -> None:
    source = Source("https://example.org/1", "The Gate", "Pask", "CC0", "2024-05-01T00:00:00Z", "ab" * 32)
    line = {"id": "g", "start": "s", "passages": [{"id": "s", "text": LONG}]}
    line["source"] = {name: getattr(source, name) for name in Source.__slots__}
    (tmp_path / "stories.jsonl").write_text(json.dumps(line))
    assert read(tmp_path).stories[0].source == source


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "missing",
            None,
            "There is no file or folder '{path}'; name a story file ({known}) or a folder of them.",
        ),
        (
            "a.pdf",
            b"%PDF",
            "No story can be read from '{path}': a.pdf: format .pdf is not read; known: {known}.",
        ),
        (
            "a.txt",
            b"caf\xe9",
            "No story can be read from '{path}': a.txt: byte 0xe9 at offset 3 is not valid UTF-8; "
            "save the file as UTF-8 and try again.",
        ),
        ("a.jsonl", b"\n", "No story can be read from '{path}': a.jsonl: it holds no stories."),
        (
            "a.jsonl",
            b"[]\n[]",
            "No story can be read from '{path}': a.jsonl, line 1: it is a JSON list; a story is an object "
            "with passages or a text (and 1 more).",
        ),
    ],
)
def test_one_bad_file_is_one_clear_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusError) as error:
        read(path)
    assert str(error.value) == message.format(path=path, known=KNOWN)


def test_an_empty_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("MIT")
    with pytest.raises(CorpusError) as error:
        read(tmp_path)
    assert str(error.value) == f"'{tmp_path}' holds no stories; put files of these kinds there: {KNOWN}."


def test_a_reading_is_the_same_twice(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text(" ".join(f"w{number}{i}" for i in range(30)))
    first: Reading = read(tmp_path)
    assert first == read(tmp_path)
    assert len(first.stories) == 5
