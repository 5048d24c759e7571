"""Create account emails."""

import sqlalchemy as sa
from alembic import op

from app.core.database import UTCDateTime

revision = "d60b8f3e1a97"
down_revision = "9a7e31c5d802"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the emails about accounts that are not sent yet."""
    op.create_table(
        "account_emails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("template", sa.String(length=32), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("erase_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_emails")),
    )
    op.create_index(op.f("ix_account_emails_erase_at"), "account_emails", ["erase_at"])


def downgrade() -> None:
    """Drop them, unsent."""
    op.drop_index(op.f("ix_account_emails_erase_at"), "account_emails")
    op.drop_table("account_emails")
