"""The request and response schemas of account administration."""

from marshmallow import fields, validate

from app.core.api.pagination import PageQuery, page_schema
from app.core.mail import EmailField
from app.core.schemas import Schema
from app.roles import Role
from app.users.schemas import UserSchema


class AccountQuery(PageQuery):
    """The query parameters for a page of accounts."""

    email = EmailField(metadata={"description": "The whole address; leave it out for all"})


class RoleChangeSchema(Schema):
    """A change of role."""

    role = fields.String(required=True, validate=validate.OneOf([role.value for role in Role]))


class AccountSchema(UserSchema):
    """An account as shown to administrators."""

    email_verified_at = fields.AwareDateTime(required=True, allow_none=True)
    deactivated_at = fields.AwareDateTime(required=True, allow_none=True)


AccountPageSchema = page_schema(AccountSchema)
