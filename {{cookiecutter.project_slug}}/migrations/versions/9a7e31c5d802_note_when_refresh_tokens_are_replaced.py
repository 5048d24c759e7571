"""Note when refresh tokens are replaced."""

import sqlalchemy as sa
from alembic import op

from app.core.database import UTCDateTime

revision = "9a7e31c5d802"
down_revision = "b4d17f2c9e60"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the time of the last refresh to each login."""
    op.add_column("sessions", sa.Column("replaced_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_column("replaced_at")
