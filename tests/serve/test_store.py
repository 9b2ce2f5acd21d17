from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from serve.settings import database_file
from serve.store import Base, Store, StoryRow, TurnRow
from textxfer.errors import ServeError


def test_the_migrations_make_the_tables_of_the_models(tmp_path: Path) -> None:
    async def open_twice() -> None:
        for _ in range(2):
            await (await Store.open(tmp_path / "new" / "play.db")).close()

    asyncio.run(open_twice())
    engine = create_engine(f"sqlite:///{tmp_path / 'new' / 'play.db'}")
    found = inspect(engine)
    assert set(found.get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    for name, table in Base.metadata.tables.items():
        columns = {column["name"]: column["nullable"] for column in found.get_columns(name)}
        assert columns == {column.name: column.nullable for column in table.columns}
    engine.dispose()


def test_a_file_that_holds_no_stories_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.db"
    other.write_bytes(b"no database at all" * 100)
    with pytest.raises(ServeError, match=r"notes\.db holds no stories that this version can read"):
        asyncio.run(Store.open(other))
    assert other.read_bytes() == b"no database at all" * 100


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async def open_and_close() -> None:
        await (await Store.open(tmp_path / "play.db")).close()

    asyncio.run(open_and_close())
    with sqlite3.connect(tmp_path / "play.db") as database:
        database.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(ServeError, match="Choose another file with --data"):
        asyncio.run(open_and_close())


def test_a_story_takes_its_turns_with_it(tmp_path: Path) -> None:
    async def play() -> None:
        store = await Store.open(tmp_path / "play.db")
        story = await store.add_story(StoryRow(world="w"), "A gate.")
        await store.add_turn(TurnRow(story=story.id, parent=story.head, mode="do", input="Go " * 30, text="You go."))
        kept = await store.story(story.id)
        assert kept.title == ("Go " * 16).strip() + "…"
        assert [turn.text for turn in await store.path(kept)] == ["A gate.", "You go."]
        await store.delete_story(story.id)
        await store.close()

    asyncio.run(play())
    with sqlite3.connect(tmp_path / "play.db") as database:
        assert database.execute("select count(*) from turns").fetchone() == (0,)


@pytest.mark.parametrize(
    ("model", "data", "file"),
    [
        ("run", None, "run/play.db"),
        ("starter", None, "textxfer-play.db"),
        ("run", "kept", "kept/play.db"),
        ("run", "kept/mine.db", "kept/mine.db"),
    ],
)
def test_where_stories_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, data: str | None, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    assert database_file(model, data and Path(data)) == Path(file)
