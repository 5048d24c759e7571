"""Create the tables."""

# {% if cookiecutter.example or cookiecutter.auth != "none" or cookiecutter.webhooks or cookiecutter.background_tasks %}
import sqlalchemy as sa
from alembic import op

from app.core.database import UTCDateTime

# {% endif %}
revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of all models."""
    # {% if cookiecutter.example %}
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        # {% if cookiecutter.auth != "none" %}
        sa.Column("owner_id", sa.Uuid(), server_default="0" * 32, nullable=False),
        # {% endif %}
        sa.Column(
            "status",
            sa.Enum(
                "placed",
                "cancelled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        # {% if cookiecutter.webhooks %}
        sa.Column("paid_at", UTCDateTime(), nullable=True),
        # {% endif %}
        sa.Column("idempotency_key", sa.String(length=64), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("total_cents >= 0", name=op.f("ck_orders_total_cents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_orders_idempotency_key")),
    )
    op.create_index(op.f("ix_orders_created_at_id"), "orders", ["created_at", "id"])
    # {% if cookiecutter.auth != "none" %}
    op.create_index(
        op.f("ix_orders_owner_id_created_at_id"), "orders", ["owner_id", "created_at", "id"]
    )
    # {% endif %}
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(length=64), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_cents", sa.BigInteger(), nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_lines_quantity")),
        sa.CheckConstraint(
            "total_cents = quantity * unit_price_cents", name=op.f("ck_order_lines_total_cents")
        ),
        sa.CheckConstraint("unit_price_cents >= 0", name=op.f("ck_order_lines_unit_price_cents")),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.id"],
            name=op.f("fk_order_lines_order_id_orders"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("order_id", "position", name=op.f("pk_order_lines")),
    )
    # {% endif %}
    # {% if cookiecutter.auth != "none" %}
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
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        # {% if cookiecutter.auth == "jwt" %}
        sa.Column("network_digest", sa.String(length=64), server_default="", nullable=False),
        sa.Column("refresh_digest", sa.String(length=64), nullable=True),
        sa.Column("replaced_at", UTCDateTime(), nullable=True),
        # {% endif %}
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_owner_id"), "sessions", ["owner_id"])
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
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
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    op.create_table(
        "webhook_deliveries",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        op.f("ix_webhook_deliveries_received_at"), "webhook_deliveries", ["received_at"]
    )
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
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
    # {% endif %}
    # {% if cookiecutter.example and cookiecutter.background_tasks %}
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
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
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
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" and cookiecutter.background_tasks %}
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
    # {% endif %}


def downgrade() -> None:
    """Drop the tables, with all rows."""
    # {% if cookiecutter.auth == "jwt" and cookiecutter.background_tasks %}
    op.drop_index(op.f("ix_account_emails_erase_at"), "account_emails")
    op.drop_table("account_emails")
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    op.drop_index(op.f("ix_sent_emails_sent_at"), "sent_emails")
    op.drop_index(op.f("ix_sent_emails_recipient_digest_category_sent_at"), "sent_emails")
    op.drop_table("sent_emails")
    # {% endif %}
    # {% if cookiecutter.example and cookiecutter.background_tasks %}
    op.drop_index(op.f("ix_receipts_erase_at"), "receipts")
    op.drop_table("receipts")
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    op.drop_table("scheduled_runs")
    op.drop_index(op.f("ix_outbox_messages_died_at"), "outbox_messages")
    op.drop_index(op.f("ix_outbox_messages_due_at"), "outbox_messages")
    op.drop_table("outbox_messages")
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    op.drop_index(op.f("ix_webhook_deliveries_received_at"), "webhook_deliveries")
    op.drop_table("webhook_deliveries")
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    op.drop_index(op.f("ix_attempts_at"), "attempts")
    op.drop_index(op.f("ix_attempts_kind_network_digest_at"), "attempts")
    op.drop_index(op.f("ix_attempts_kind_account_digest_at"), "attempts")
    op.drop_table("attempts")
    op.drop_index(op.f("ix_users_created_at_id"), "users")
    op.drop_table("users")
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    op.drop_index(op.f("ix_sessions_owner_id"), "sessions")
    op.drop_table("sessions")
    # {% endif %}
    # {% if cookiecutter.auth != "none" %}
    op.drop_index(op.f("ix_audit_entries_subject_id"), "audit_entries")
    op.drop_index(op.f("ix_audit_entries_created_at_id"), "audit_entries")
    op.drop_table("audit_entries")
    # {% endif %}
    # {% if cookiecutter.example %}
    op.drop_table("order_lines")
    # {% if cookiecutter.auth != "none" %}
    op.drop_index(op.f("ix_orders_owner_id_created_at_id"), "orders")
    # {% endif %}
    op.drop_index(op.f("ix_orders_created_at_id"), "orders")
    op.drop_table("orders")
    # {% endif %}
