"""Stories on disk: a tree of turns for each, in one SQLite file.

    stories 1 ── n turns        a turn has a parent; a story has a head

The turns from the root (the opening) to the head are what is read now; the
others are what was undone or tried instead. Nothing is lost by undoing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import ForeignKey, String, delete, event, func, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from textxfer.errors import ServeError, TextxferError

MIGRATIONS = Path(__file__).parent / "migrations"


class NotFound(TextxferError):
    """A story or a turn that is not in the store."""


def new_id() -> str:
    """32 hexadecimal digits, drawn at random (UUID 4)."""
    return uuid.uuid4().hex


def now() -> str:
    """The time in UTC, ISO 8601, to the microsecond: such strings sort as times do."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class Base(DeclarativeBase):
    """The tables."""


class StoryRow(Base):
    """A story that is being played. ``title`` is empty until it has one."""

    __tablename__ = "stories"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    title: Mapped[str] = mapped_column(default="")
    world: Mapped[str]
    memory: Mapped[str] = mapped_column(default="")
    head: Mapped[str | None] = mapped_column(String(32), default=None)
    created_at: Mapped[str] = mapped_column(default=now)
    updated_at: Mapped[str] = mapped_column(default=now, index=True)


class TurnRow(Base):
    """What a player put in and the prose that answered it.

    mode: opening, do, say, story or continue. input: the action's line, or the
    prose the player wrote. text: the model's prose; where it goes on in the
    middle of a paragraph it begins with the space that joins it.
    """

    __tablename__ = "turns"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True, default=new_id)
    story: Mapped[str] = mapped_column(ForeignKey("stories.id", ondelete="CASCADE"), index=True)
    parent: Mapped[str | None] = mapped_column(String(32), default=None)
    mode: Mapped[str]
    input: Mapped[str] = mapped_column(default="")
    text: Mapped[str] = mapped_column(default="")
    finish: Mapped[str] = mapped_column(default="")
    tokens: Mapped[int] = mapped_column(default=0)
    seed: Mapped[int | None] = mapped_column(default=None)
    model: Mapped[str] = mapped_column(default="")
    created_at: Mapped[str] = mapped_column(default=now)


class Store:
    """Opened with ``await Store.open(path)``; ``await store.close()`` when done."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._session = async_sessionmaker(engine, expire_on_commit=False)

    @classmethod
    async def open(cls, path: Path) -> Store:
        """Opens or makes the file and brings its tables up to date.

        Raises ServeError when it cannot be written, is no database of stories,
        or was made by a newer version.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServeError(f"{path.parent} cannot hold the stories: {error.strerror}.") from None
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        event.listen(engine.sync_engine, "connect", _pragmas)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(_migrate)
        except OperationalError as error:
            await engine.dispose()
            raise ServeError(f"{path} cannot be opened: {error.orig}. Choose another with --data.") from None
        except (DatabaseError, CommandError):
            await engine.dispose()
            raise ServeError(
                f"{path} holds no stories that this version can read. Choose another file with --data."
            ) from None
        return cls(engine)

    async def close(self) -> None:
        await self._engine.dispose()

    async def add_story(self, story: StoryRow, opening: str) -> StoryRow:
        """Keeps a new story; its first turn is the opening."""
        async with self._session.begin() as session:
            session.add(story)
            await session.flush()
            turn = TurnRow(id=new_id(), story=story.id, mode="opening", text=opening)
            session.add(turn)
            story.head = turn.id
        return story

    async def stories(self, limit: int, offset: int = 0) -> tuple[Sequence[StoryRow], int]:
        """The stories, the last played first, and how many there are in all."""
        async with self._session() as session:
            latest = select(StoryRow).order_by(StoryRow.updated_at.desc()).limit(limit).offset(offset)
            rows = (await session.scalars(latest)).all()
            return rows, await session.scalar(select(func.count()).select_from(StoryRow)) or 0

    async def story(self, story_id: str) -> StoryRow:
        """Raises NotFound."""
        async with self._session() as session:
            return await _story(session, story_id)

    async def change_story(self, story_id: str, **changes: Any) -> StoryRow:
        """Sets columns (title, memory, head). Raises NotFound."""
        async with self._session.begin() as session:
            story = await _story(session, story_id)
            for name, value in changes.items():
                setattr(story, name, value)
            story.updated_at = now()
        return story

    async def delete_story(self, story_id: str) -> None:
        """Raises NotFound."""
        async with self._session.begin() as session:
            await _story(session, story_id)
            await session.execute(delete(StoryRow).where(StoryRow.id == story_id))

    async def add_turn(self, turn: TurnRow) -> TurnRow:
        """Keeps a turn and makes it the head of its story. Raises NotFound."""
        async with self._session.begin() as session:
            story = await _story(session, turn.story)
            turn.id = turn.id or new_id()
            session.add(turn)
            story.head, story.updated_at = turn.id, now()
            if not story.title:
                story.title = _short(turn.input)
        return turn

    async def turn(self, story_id: str, turn_id: str) -> TurnRow:
        """Raises NotFound."""
        async with self._session() as session:
            return await _turn(session, story_id, turn_id)

    async def edit_turn(self, story_id: str, turn_id: str, text: str) -> TurnRow:
        """Raises NotFound."""
        async with self._session.begin() as session:
            story = await _story(session, story_id)
            turn = await _turn(session, story_id, turn_id)
            turn.text, story.updated_at = text, now()
        return turn

    async def children(self, story: StoryRow) -> Sequence[TurnRow]:
        """The turns that follow the head, the newest last."""
        async with self._session() as session:
            rows = select(TurnRow).where(TurnRow.story == story.id, TurnRow.parent == story.head)
            return (await session.scalars(rows.order_by(TurnRow.seq))).all()

    async def path(self, story: StoryRow) -> list[TurnRow]:
        """The turns from the opening to the head."""
        async with self._session() as session:
            rows = await session.scalars(select(TurnRow).where(TurnRow.story == story.id))
            turns = {turn.id: turn for turn in rows}
        found: list[TurnRow] = []
        at = story.head
        while at is not None:
            found.append(turns[at])
            at = turns[at].parent
        return found[::-1]


async def _story(session: AsyncSession, story_id: str) -> StoryRow:
    story = await session.get(StoryRow, story_id)
    if story is None:
        raise NotFound(f"There is no story {story_id!r}.")
    return story


async def _turn(session: AsyncSession, story_id: str, turn_id: str) -> TurnRow:
    turn = await session.scalar(select(TurnRow).where(TurnRow.story == story_id, TurnRow.id == turn_id))
    if turn is None:
        raise NotFound(f"There is no turn {turn_id!r} in this story.")
    return turn


def _short(line: str, width: int = 48) -> str:
    """A title made of the first words of ``line``."""
    line = " ".join(line.split())
    return line if len(line) <= width else line[:width].rsplit(" ", 1)[0] + "…"


def _pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # Readers do not wait for a writer; a second process waits 5 s, then fails.
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=5000", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(connection: Connection) -> None:
    connection.execute(text("SELECT count(*) FROM sqlite_master"))  # fails where the file is no database
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
