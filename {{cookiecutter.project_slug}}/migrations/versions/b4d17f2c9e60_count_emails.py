"""Count emails by recipient."""

import sqlalchemy as sa
from alembic import op

from app.core.database import UTCDateTime

revision = "b4d17f2c9e60"
# {% if not cookiecutter.background_tasks and not cookiecutter.webhooks %}
down_revision = "c19e5a7d4b02"
# {% endif %}
# {% if not cookiecutter.background_tasks and cookiecutter.webhooks %}
down_revision = "3f1c5b0e9a42"
# {% endif %}
# {% if cookiecutter.background_tasks %}
down_revision = "e2a86f0d3b95"
# {% endif %}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of emails that were sent a short while ago."""
    op.create_table(
        "sent_emails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("recipient_digest", sa.String(length=64), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sent_emails")),
    )
    op.create_index(
        op.f("ix_sent_emails_recipient_digest_category_sent_at"),
        "sent_emails",
        ["recipient_digest", "category", "sent_at"],
    )
    op.create_index(op.f("ix_sent_emails_sent_at"), "sent_emails", ["sent_at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index(op.f("ix_sent_emails_sent_at"), "sent_emails")
    op.drop_index(op.f("ix_sent_emails_recipient_digest_category_sent_at"), "sent_emails")
    op.drop_table("sent_emails")
