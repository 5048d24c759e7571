"""Create audit entries."""

import sqlalchemy as sa
from alembic import op

from app.core.database import UTCDateTime

revision = "8c2f4a91d7e0"
down_revision = "5b1e7d20c4a8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the audit log."""
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_created_at_id"), "audit_entries", ["created_at", "id"])
    op.create_index(op.f("ix_audit_entries_subject_id"), "audit_entries", ["subject_id"])


def downgrade() -> None:
    """Drop it, with every entry in it."""
    op.drop_index(op.f("ix_audit_entries_subject_id"), "audit_entries")
    op.drop_index(op.f("ix_audit_entries_created_at_id"), "audit_entries")
    op.drop_table("audit_entries")
