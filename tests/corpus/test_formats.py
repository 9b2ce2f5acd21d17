from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from textxfer.corpus.formats import decode, formats, slug
from textxfer.errors import ConfigError, CorpusError
from textxfer.story import Choice, Passage, Source, Story


def parse(suffix: str, text: str, name: str = "gate.x") -> list[Story]:
    return formats.get(suffix)(text.encode(), name, lambda where, reason: None)


def reasons(suffix: str, text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    formats.get(suffix)(text.encode(), "gate.x", lambda where, reason: found.append((where, reason)))
    return found


def test_the_formats_are_found_by_suffix() -> None:
    assert formats.names() == ["jsonl", "markdown", "md", "tw", "twee", "txt"]
    with pytest.raises(ConfigError, match=r"no format 'twe'\. Did you mean 'twee'"):
        formats.get("twe")


@pytest.mark.parametrize(
    "data",
    ["é\nb".encode(), b"\xef\xbb\xbf" + "é\r\nb".encode(), "é\rb".encode("utf-16")],
    ids=["utf-8", "utf-8 with a mark", "utf-16"],
)
def test_text_is_decoded(data: bytes) -> None:
    assert decode(data, "a.txt") == "é\nb"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"caf\xe9 au lait", "a.txt: byte 0xe9 at offset 3 is not valid UTF-8; save the file as UTF-8"),
        (b"\xef\xbb\xbfcaf\xe9 au lait", "a.txt: byte 0xe9 at offset 6 is not valid UTF-8"),
        (b"\xff\xfea\x00b", "a.txt: byte 0x62 at offset 4 is not valid UTF-16"),
        (b"PK\x03\x04 and \x00\x00", "a.txt: byte 0x03 at offset 2 means it is no text"),
        (b"\x01\x02\x03text", "a.txt: byte 0x01 at offset 0 means it is no text"),
    ],
)
def test_what_is_no_text_is_refused_with_its_offset(data: bytes, message: str) -> None:
    with pytest.raises(CorpusError) as error:
        decode(data, "a.txt")
    assert str(error.value).startswith(message)


def test_a_stray_control_character_is_no_binary_file() -> None:
    assert decode(b"x" * 99 + b"\x01", "a.txt") == "x" * 99 + "\x01"


def test_slug() -> None:
    assert slug("The Owing Tide: Hob's Été!") == "the-owing-tide-hobs-été"
    assert slug("***") == "story"


# -- twee

GATE = """:: StoryTitle
The Gate

:: StoryAuthor
A. Pask

:: StoryData
{"ifid": "X", "start": "Gate", "licence": "CC0"}

:: Gate [first] {"position":"10,20"}
You stand at the gate. A [[bell|Bell]] hangs here.

You could:
* [[Open it->Yard]]
* [[Bell<-Ring]]

:: Yard
Cobbles. [[Back->Gate]] [[Bell]]

:: Bell
\\:: clang

:: Code [script]
alert("no")
"""


def test_twee_gives_passages_choices_and_source() -> None:
    [story] = parse("twee", GATE.replace("Bell<-Ring", "Bell<-Ring it"))
    assert story == Story(
        "the-gate",
        Source(title="The Gate", author="A. Pask", licence="CC0"),
        "Gate",
        {
            "Gate": Passage(
                "Gate",
                "You stand at the gate. A bell hangs here.\n\nYou could:",
                (Choice("bell", "Bell"), Choice("Open it", "Yard"), Choice("Ring it", "Bell")),
            ),
            "Yard": Passage("Yard", "Cobbles.", (Choice("Back", "Gate"), Choice("Bell", "Bell"))),
            "Bell": Passage("Bell", ":: clang"),
        },
    )


@pytest.mark.parametrize(
    ("link", "choice"),
    [
        ("[[Open|Yard]]", Choice("Open", "Yard")),
        ("[[Yard<-Open]]", Choice("Open", "Yard")),
        ("[[Open -> Yard]]", Choice("Open", "Yard")),
        ("[[a->b->Yard]]", Choice("a->b", "Yard")),
        ("[[Yard]]", Choice("Yard", "Yard")),
        ("[[Open|Yard][$open to true]]", Choice("Open", "Yard")),
    ],
)
def test_every_form_of_link(link: str, choice: Choice) -> None:
    [story] = parse("tw", f":: Start\nA gate.\n{link}\n:: Yard\nCobbles.")
    assert story.passages["Start"] == Passage("Start", "A gate.", (choice,))


@pytest.mark.parametrize(
    ("body", "prose"),
    [
        ("You may [[go in->Yard]] or stay.", "You may go in or stay."),
        ("You may [[go in->Yard]].", "You may go in."),
        ("You see\n[[a door->Yard]]\nand no more.", "You see\na door\nand no more."),
        ("[[In->Yard]]\n\nThe wind howls.", "The wind howls."),
        ('"Well?" [[Go in->Yard]] | [[Run->Yard]]', '"Well?"'),
        ("1. [[Go in->Yard]]\n2. [[Run->Yard]]", ""),
    ],
)
def test_choices_leave_the_prose_and_links_in_sentences_leave_their_words(body: str, prose: str) -> None:
    [story] = parse("twee", f":: Start\n{body}\n:: Yard\nCobbles.")
    assert story.passages["Start"].text == prose


def test_twee_names_are_unescaped_and_tags_are_not_part_of_them() -> None:
    [story] = parse("twee", ':: A \\[b\\] \\{c\\} [tag other] {"size":"1,1"}\nProse.')
    assert list(story.passages) == ["A [b] {c}"]


def test_twee_keeps_the_reasons_for_what_it_leaves_out() -> None:
    assert reasons("twee", ":: StoryData\n{oops\n:: Start\n[[Go->Nowhere]]\n:: Start\nAgain.") == [
        ("gate.x", "a second passage 'Start' is left out; the first one is kept"),
        ("gate.x", "its StoryData is not JSON (Expecting property name enclosed in double quotes: "
         "line 1 column 2 (char 1)) and is not used"),
        ("gate.x", "the choice 'Go' of 'Start' leads to 'Nowhere', which names no passage"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no header", "gate.x: it has no passages; a passage begins with a line like ':: Name'."),
        (
            ':: StoryData\n{"start": "Yrad"}\n:: Yard\nCobbles.',
            "gate.x: its StoryData names the start 'Yrad', and there is no such passage.",
        ),
    ],
)
def test_twee_without_a_way_in_is_refused(text: str, message: str) -> None:
    with pytest.raises(CorpusError) as error:
        parse("twee", text)
    assert str(error.value) == message


def test_the_start_is_start_or_the_first_passage() -> None:
    assert parse("twee", ":: A\nx\n:: Start\ny")[0].start == "Start"
    assert parse("twee", ":: A\nx\n:: B\ny")[0].start == "A"


# -- plain text


def prose(story: Story) -> str:
    return story.passages[story.start].text


def test_hard_wrapped_lines_are_joined_and_short_ones_stay() -> None:
    wrapped = (
        "The sea went out at Quillet on a Tuesday morning\nand it did not come back, which is the whole of\n"
        "the complaint.\n\nRoses are red,\nviolets are blue.\n\n\n"
        "The end came soon after that, as it must, said\nPask."
    )
    assert prose(parse("txt", wrapped)[0]) == (
        "The sea went out at Quillet on a Tuesday morning and it did not come back, which is the whole of "
        "the complaint.\n\nRoses are red,\nviolets are blue.\n\n"
        "The end came soon after that, as it must, said Pask."
    )


def test_text_with_long_lines_is_not_wrapped() -> None:
    text = "word " * 40 + "end.\n" + "Dear friend\n" + "word " * 40 + "end."
    assert prose(parse("txt", text)[0]) == text


GUTENBERG = """The Project Gutenberg eBook of The Gate

Title: The Gate
Author: A. Pask

*** Start of this Project Gutenberg EBook The Gate ***

It was shut.

*** END OF THE PROJECT GUTENBERG EBOOK THE GATE ***
Licence and so on.
"""


def test_gutenbergs_header_is_cut_and_used() -> None:
    [story] = parse("txt", GUTENBERG, "pg1.txt")
    assert (story.id, story.source.title, story.source.author) == ("pg1", "The Gate", "A. Pask")
    assert story.source.licence.startswith("Project Gutenberg")
    assert prose(story) == "It was shut."


def test_twee_in_a_txt_file_is_read_as_twee() -> None:
    assert list(parse("txt", "\n:: One\nx\n:: Two\ny")[0].passages) == ["One", "Two"]


@pytest.mark.parametrize("suffix", ["txt", "md"])
def test_an_empty_text_is_refused(suffix: str) -> None:
    with pytest.raises(CorpusError, match=r"gate\.x: it holds no text"):
        parse(suffix, " \n\n")


# -- markdown

MARKDOWN = """---
title: The Gate
author: [A. Pask, B. Crake]
license: CC BY 4.0
---
# I. *Quillet*

You **stand** at the
[gate](https://example.org). 5 \\* 2.\\
It is `shut`.<br>

- one
- two

***

> "No," said <b>Pask</b>.
"""


def test_markdown_loses_its_marks() -> None:
    [story] = parse("md", MARKDOWN)
    assert story.source == Source(title="The Gate", author="A. Pask, B. Crake", licence="CC BY 4.0")
    assert prose(story) == ('I. Quillet\n\nYou stand at the gate. 5 * 2.\nIt is shut.\none\ntwo\n\n"No," said Pask.')


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    [story] = parse("markdown", "---\nOnce upon a time.\n\n---\n\n# The End\n")
    assert (story.source.title, prose(story)) == ("The End", "Once upon a time.\n\nThe End")


def test_bad_front_matter_is_refused_and_never_run() -> None:
    with pytest.raises(CorpusError, match=r"gate\.x: its front matter is not YAML at line 3"):
        parse("md", "---\ntitle: x\n a: b: c\n---\nText.")
    with pytest.raises(CorpusError, match="front matter is not YAML"):
        parse("md", "---\ntitle: !!python/object/apply:os.getcwd []\n---\nText.")


# -- jsonl


def test_a_line_is_a_story_or_a_text(graph: Callable[..., Story]) -> None:
    made = graph({"a": ["b"], "b": []})
    lines = [
        json.dumps(made.to_json()),
        "",
        '{"text": "Hello.", "title": "The Gate", "author": "Pask", "licence": "CC0"}',
        '{"text": "Bye."}',
    ]
    assert parse("jsonl", "\n".join(lines), "some dump.jsonl") == [
        made,
        Story.linear("the-gate", "Hello.", Source(title="The Gate", author="Pask", licence="CC0")),
        Story.linear("some-dump-4", "Bye.", Source(title="some-dump-4")),
    ]


def test_bad_lines_are_rejected_with_their_number_and_the_rest_is_kept() -> None:
    bad = [
        b'{"text": ',
        b"[1]",
        b'{"txt": "x"}',
        b'{"text": 5}',
        b'{"id": "a", "passages": [{"id": "b"}]}',
        b'{"id": "a", "start": "x", "passages": []}',
        b'{"text": "\\ud800"}',
        b'{"text": "caf\xe9"}',
        b"[" * (sys.getrecursionlimit() * 200),
        b'{"text": "good"}',
    ]
    found: list[tuple[str, str]] = []
    stories = formats.get("jsonl")(b"\n".join(bad), "a.jsonl", lambda where, why: found.append((where, why)))
    assert [prose(story) for story in stories] == ["good"]
    assert [where for where, _ in found] == [f"a.jsonl, line {n}" for n in range(1, 10)]
    expected = [
        "it is not JSON (Expecting value",
        "it is a JSON list; a story is an object",
        'it has neither "passages" nor a "text"',
        'it has neither "passages" nor a "text"',
        "it is no story: 'text' is missing",
        "it is no story: story 'a': its start 'x' names no passage",
        "it holds half a surrogate pair",
        "byte 0xe9 at offset 13 is not valid UTF-8",
        "it is not JSON (",
    ]
    for (_, reason), begin in zip(found, expected, strict=True):
        assert reason.startswith(begin)
