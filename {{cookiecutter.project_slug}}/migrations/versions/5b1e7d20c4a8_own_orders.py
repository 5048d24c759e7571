"""Own orders."""

import sqlalchemy as sa
from alembic import op

revision = "5b1e7d20c4a8"
down_revision = "7cb26759a0fc"
branch_labels = None
depends_on = None

# The owner of orders that were there before, and of those that processes of the version before this
# one write while it is rolled out; no caller has this id.
NOBODY = "0" * 32


def upgrade() -> None:
    """Say whose each order is."""
    op.add_column("orders", sa.Column("owner_id", sa.Uuid(), server_default=NOBODY, nullable=False))
    op.create_index(
        op.f("ix_orders_owner_id_created_at_id"), "orders", ["owner_id", "created_at", "id"]
    )


def downgrade() -> None:
    """Forget whose they are."""
    op.drop_index(op.f("ix_orders_owner_id_created_at_id"), "orders")
    op.drop_column("orders", "owner_id")
