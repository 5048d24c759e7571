"""What accounts are asked for and answered with."""

from marshmallow import fields, validate

from app.core.mail import EmailField
from app.core.schemas import Schema
from app.users import passwords
from app.users.models import Role

MAX_PASSWORD_LENGTH = 1_024  # before its spelling is settled; app.users.passwords has the rules
MAX_TOKEN_LENGTH = 1_024


class AddressSchema(Schema):
    """Whom to write to."""

    email = EmailField(required=True, metadata={"example": "ada@example.com"})


class PasswordSchema(Schema):
    """A password; of a new one all that is wrong is said at once."""

    password = fields.String(
        required=True,
        validate=validate.Length(
            passwords.MIN_LENGTH, passwords.MAX_LENGTH, error=passwords.WRONG_LENGTH
        ),
        metadata={
            "format": "password",
            "description": "Hard to guess, and without the e-mail address and this service's name",
            "example": "correct horse battery staple",
        },
    )


class RegistrationSchema(AddressSchema, PasswordSchema):
    """Who wants an account."""


class CurrentPasswordSchema(Schema):
    """The caller's proof that the token is not stolen."""

    current_password = fields.String(
        required=True,
        validate=validate.Length(1, MAX_PASSWORD_LENGTH),
        metadata={"format": "password", "example": "correct horse battery staple"},
    )


class NewPasswordSchema(CurrentPasswordSchema, PasswordSchema):
    """Another password."""


class NewEmailSchema(CurrentPasswordSchema, AddressSchema):
    """Another address."""


class LinkTokenSchema(Schema):
    """The token in a link."""

    token = fields.String(
        required=True,
        validate=validate.Length(1, MAX_TOKEN_LENGTH),
        metadata={"example": "the token of the link"},
    )


class ResetSchema(LinkTokenSchema, PasswordSchema):
    """Another password, from whoever reads the account's mailbox."""


class UserSchema(Schema):
    """An account as its owner sees it."""

    id = fields.UUID(required=True)
    email = EmailField(required=True)
    role = fields.String(required=True, validate=validate.OneOf([role.value for role in Role]))
    created_at = fields.AwareDateTime(required=True)
