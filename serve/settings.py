"""What a server is told when it starts."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """model: a run's folder, a model folder, "starter" or a hub name.

    data: a ``.db`` file, or a folder that gets ``play.db``; None puts it into
    the run's folder, or beside the caller where the model is not a folder.
    api_key: None lets everyone in. max_tokens: the most a request can ask for.
    cors: origins whose pages may call this server.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    data: Path | None = None
    api_key: str | None = None
    max_tokens: int = Field(default=512, ge=1)
    cors: tuple[str, ...] = ()

    @property
    def database(self) -> Path:
        """The SQLite file of the stories."""
        return database_file(self.model, self.data)


def database_file(model: str, data: Path | None) -> Path:
    """Where the stories of ``model`` are kept."""
    if data is not None:
        return data if data.suffix in {".db", ".sqlite", ".sqlite3"} else data / "play.db"
    folder = Path(model)
    return folder / "play.db" if folder.is_dir() else Path("textxfer-play.db")
