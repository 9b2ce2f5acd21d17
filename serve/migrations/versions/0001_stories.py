"""Stories and their turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "stories",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("memory", sa.String(), nullable=False),
        sa.Column("head", sa.String(32)),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("updated_at", sa.String(), nullable=False),
    )
    op.create_index("ix_stories_updated_at", "stories", ["updated_at"])
    op.create_table(
        "turns",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("story", sa.String(32), sa.ForeignKey("stories.id", ondelete="CASCADE"), nullable=False),
        sa.Column("parent", sa.String(32)),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("input", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("finish", sa.String(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer()),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
    )
    op.create_index("ix_turns_story", "turns", ["story"])


def downgrade() -> None:
    op.drop_table("turns")
    op.drop_table("stories")
