"""What administrators of accounts ask with and are answered."""

from marshmallow import fields, validate

from app.core.api.pagination import PageQuery
from app.core.mail import EmailField
from app.core.schemas import Schema
from app.users.admin_service import Role
from app.users.schemas import UserSchema


class AccountQuery(PageQuery):
    """Whose account is wanted."""

    email = EmailField(metadata={"description": "The whole address; leave it out for all"})


class RoleChangeSchema(Schema):
    """Another role."""

    role = fields.String(required=True, validate=validate.OneOf([role.value for role in Role]))


class AccountSchema(UserSchema):
    """An account as administrators see it."""

    email_verified_at = fields.AwareDateTime(required=True, allow_none=True)
    deactivated_at = fields.AwareDateTime(required=True, allow_none=True)


class AccountPageSchema(Schema):
    """Some accounts, newest first."""

    items = fields.List(fields.Nested(AccountSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
