"""Alembic's door: runs the versions over the connection that serve.store holds."""

from __future__ import annotations

from alembic import context

from serve.store import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
)
with context.begin_transaction():
    context.run_migrations()
