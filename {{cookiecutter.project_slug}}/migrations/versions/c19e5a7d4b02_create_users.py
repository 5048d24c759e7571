"""Create users."""

import sqlalchemy as sa
from alembic import op

from app.core.database import UTCDateTime

revision = "c19e5a7d4b02"
down_revision = "8d4f02b71c36"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add accounts, and attempts at them."""
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_verified_at", UTCDateTime(), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "user",
                "admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("deactivated_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index(op.f("ix_users_created_at_id"), "users", ["created_at", "id"])
    op.create_table(
        "attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("account_digest", sa.String(length=64), nullable=False),
        sa.Column("network_digest", sa.String(length=64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index(
        op.f("ix_attempts_kind_account_digest_at"), "attempts", ["kind", "account_digest", "at"]
    )
    op.create_index(
        op.f("ix_attempts_kind_network_digest_at"), "attempts", ["kind", "network_digest", "at"]
    )
    op.create_index(op.f("ix_attempts_at"), "attempts", ["at"])


def downgrade() -> None:
    """Drop them, with every account."""
    op.drop_index(op.f("ix_attempts_at"), "attempts")
    op.drop_index(op.f("ix_attempts_kind_network_digest_at"), "attempts")
    op.drop_index(op.f("ix_attempts_kind_account_digest_at"), "attempts")
    op.drop_table("attempts")
    op.drop_index(op.f("ix_users_created_at_id"), "users")
    op.drop_table("users")
