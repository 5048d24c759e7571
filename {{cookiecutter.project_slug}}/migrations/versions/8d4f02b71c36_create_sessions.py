"""Create sessions."""

import sqlalchemy as sa
from alembic import op

from app.core.database import UTCDateTime

revision = "8d4f02b71c36"
down_revision = "8c2f4a91d7e0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add logins."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        # {% if cookiecutter.auth == "jwt" %}
        sa.Column("network_digest", sa.String(length=64), nullable=False),
        sa.Column("refresh_digest", sa.String(length=64), nullable=True),
        # {% endif %}
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_owner_id"), "sessions", ["owner_id"])


def downgrade() -> None:
    """Drop them; everybody has to log in again."""
    op.drop_index(op.f("ix_sessions_owner_id"), "sessions")
    op.drop_table("sessions")
