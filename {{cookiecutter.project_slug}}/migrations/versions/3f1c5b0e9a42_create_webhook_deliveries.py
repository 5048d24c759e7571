"""Create webhook deliveries."""

import sqlalchemy as sa
from alembic import op

from app.core.database import UTCDateTime

revision = "3f1c5b0e9a42"
# {% if cookiecutter.auth == "none" %}
down_revision = "7cb26759a0fc"
# {% endif %}
# {% if cookiecutter.auth == "oidc" and not cookiecutter.web_ui %}
down_revision = "8c2f4a91d7e0"
# {% endif %}
# {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
down_revision = "8d4f02b71c36"
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
down_revision = "c19e5a7d4b02"
# {% endif %}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add deliveries, and when an order was paid."""
    op.create_table(
        "webhook_deliveries",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", UTCDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        op.f("ix_webhook_deliveries_received_at"), "webhook_deliveries", ["received_at"]
    )
    op.add_column("orders", sa.Column("paid_at", UTCDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("orders", "paid_at")
    op.drop_index(op.f("ix_webhook_deliveries_received_at"), "webhook_deliveries")
    op.drop_table("webhook_deliveries")
