"""What accounts are asked for and answered with."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from app.core import mail
from app.core.schemas import Schema
from app.users.models import Role

LONGEST_PASSWORD = 1_024  # before its spelling is settled; app.core.passwords has the rules
LONGEST_TOKEN = 1_024


class EmailField(fields.String):
    """An e-mail address, in the one spelling that is stored."""

    def _deserialize(
        self,
        value: Any,  # noqa: ANN401  whatever was sent
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401  marshmallow's own
    ) -> str:
        address = mail.normalised(super()._deserialize(value, attr, data, **kwargs))
        if address is None:
            message = "Must be an e-mail address in ASCII."
            raise ValidationError(message)
        return address


class EmailSchema(Schema):
    """Whom to write to."""

    email = EmailField(required=True, metadata={"example": "ada@example.com"})


class PasswordSchema(Schema):
    """A password; of a new one all that is wrong is said at once."""

    password = fields.String(
        required=True,
        validate=validate.Length(1, LONGEST_PASSWORD),
        metadata={"format": "password", "example": "correct horse battery staple"},
    )


class RegistrationSchema(EmailSchema, PasswordSchema):
    """Who wants an account."""


class CurrentPasswordSchema(Schema):
    """The caller's proof that the token is not stolen."""

    current_password = fields.String(
        required=True,
        validate=validate.Length(1, LONGEST_PASSWORD),
        metadata={"format": "password"},
    )


class NewPasswordSchema(CurrentPasswordSchema, PasswordSchema):
    """Another password."""


class NewEmailSchema(CurrentPasswordSchema, EmailSchema):
    """Another address."""


class TokenSchema(Schema):
    """The token in a link."""

    token = fields.String(required=True, validate=validate.Length(1, LONGEST_TOKEN))


class ResetSchema(TokenSchema, PasswordSchema):
    """Another password, from whoever reads the account's mailbox."""


class UserSchema(Schema):
    """An account as its owner sees it."""

    id = fields.UUID(required=True)
    email = fields.String(required=True)
    role = fields.String(required=True, validate=validate.OneOf([role.value for role in Role]))
    created_at = fields.AwareDateTime(required=True)
