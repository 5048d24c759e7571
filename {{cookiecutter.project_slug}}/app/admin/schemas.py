"""The request and response schemas of administration."""

from marshmallow import fields

from app.core.api.pagination import PageQuery, page_schema
from app.core.schemas import UUID, Schema


class OrderQuery(PageQuery):
    """The query parameters for a page of orders."""

    owner_id = UUID(metadata={"description": "Leave it out for all owners"})


class EntrySchema(Schema):
    """An entry of the audit log."""

    id = fields.UUID(required=True)
    actor_id = fields.UUID(required=True, metadata={"description": "Who changed something"})
    action = fields.String(required=True, metadata={"example": "order.cancel"})
    subject_id = fields.UUID(required=True, metadata={"description": "What was changed"})
    created_at = fields.AwareDateTime(required=True)


EntryPageSchema = page_schema(EntrySchema)
