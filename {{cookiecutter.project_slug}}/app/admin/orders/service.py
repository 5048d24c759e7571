"""Changes of orders, each with its audit log entry."""

from uuid import UUID

from app.admin.service import audited
from app.orders import admin_service as orders
from app.orders.repository import OrderView


def cancel(actor_id: UUID, order_id: UUID) -> OrderView:
    """Cancel the order of any user. Raises what `admin_service.cancel` of orders raises."""
    with audited(actor_id, "order.cancel", order_id) as session:
        return orders.cancel(session, order_id)
