"""Create the outbox, the turns of the schedule, and receipts."""

import sqlalchemy as sa
from alembic import op

from app.core.database import UTCDateTime

revision = "e2a86f0d3b95"
# {% if cookiecutter.auth == "none" and not cookiecutter.webhooks %}
down_revision = "7cb26759a0fc"
# {% endif %}
# {% if cookiecutter.auth == "oidc" and not cookiecutter.web_ui and not cookiecutter.webhooks %}
down_revision = "8c2f4a91d7e0"
# {% endif %}
# {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui and not cookiecutter.webhooks %}
down_revision = "8d4f02b71c36"
# {% endif %}
# {% if cookiecutter.auth == "jwt" and not cookiecutter.webhooks %}
down_revision = "c19e5a7d4b02"
# {% endif %}
# {% if cookiecutter.webhooks %}
down_revision = "3f1c5b0e9a42"
# {% endif %}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "outbox_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("waiting_since", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("died_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_messages")),
    )
    op.create_index(op.f("ix_outbox_messages_due_at"), "outbox_messages", ["due_at"])
    op.create_index(op.f("ix_outbox_messages_died_at"), "outbox_messages", ["died_at"])
    op.create_table(
        "scheduled_runs",
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_scheduled_runs")),
    )
    op.create_table(
        "receipts",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("erase_at", UTCDateTime(), nullable=True),
        sa.Column("claimed_until", UTCDateTime(), nullable=True),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.id"],
            name=op.f("fk_receipts_order_id_orders"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_receipts")),
    )
    op.create_index(op.f("ix_receipts_erase_at"), "receipts", ["erase_at"])


def downgrade() -> None:
    """Drop them, with what is still to be done."""
    op.drop_index(op.f("ix_receipts_erase_at"), "receipts")
    op.drop_table("receipts")
    op.drop_table("scheduled_runs")
    op.drop_index(op.f("ix_outbox_messages_died_at"), "outbox_messages")
    op.drop_index(op.f("ix_outbox_messages_due_at"), "outbox_messages")
    op.drop_table("outbox_messages")
