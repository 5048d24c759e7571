"""The response schemas of the audit log."""

from marshmallow import fields

from app.core.api.pagination import page_schema
from app.core.schemas import Schema


class EntrySchema(Schema):
    """An entry of the audit log."""

    id = fields.UUID(required=True)
    actor_id = fields.UUID(required=True, metadata={"description": "Who changed something"})
    action = fields.String(required=True, metadata={"example": "user.deactivate"})
    subject_id = fields.UUID(required=True, metadata={"description": "What was changed"})
    created_at = fields.AwareDateTime(required=True)


EntryPageSchema = page_schema(EntrySchema)
