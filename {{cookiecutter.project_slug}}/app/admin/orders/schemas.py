"""The request schema of order administration."""

from app.core.api.pagination import PageQuery
from app.core.schemas import UUID


class OrderQuery(PageQuery):
    """The query parameters for a page of orders."""

    owner_id = UUID(metadata={"description": "Leave it out for all owners"})
