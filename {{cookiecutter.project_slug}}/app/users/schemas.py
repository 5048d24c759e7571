"""The request and response schemas of accounts."""

from marshmallow import ValidationError, fields, validate

from app.core.mail import EmailField
from app.core.schemas import Schema
from app.roles import Role
from app.users import passwords

MAX_PASSWORD_LENGTH = 1_024  # before normalisation; app.users.passwords has the rules
MAX_TOKEN_LENGTH = 1_024


class PasswordLength(validate.Validator):
    """The length of a new password. The minimum is a setting, and in the document, too."""

    max = passwords.MAX_LENGTH
    equal = None

    @property
    def min(self) -> int:
        """The minimum length, in characters."""
        return passwords.passwords.current.min_length

    def __call__(self, value: str) -> str:
        """Return the value.

        Raises:
            ValidationError: when it is too short or too long.

        """
        if not self.min <= len(value) <= self.max:
            raise ValidationError(passwords.wrong_length(self.min))
        return value


class AddressSchema(Schema):
    """An email address."""

    email = EmailField(required=True, metadata={"example": "ada@example.com"})


class PasswordSchema(Schema):
    """A new password; `app.users.passwords` checks it further."""

    password = fields.String(
        required=True,
        validate=PasswordLength(),
        metadata={
            "format": "password",
            "description": "Hard to guess, and without the email address and this service's name",
            "example": "correct horse battery staple",
        },
    )


class RegistrationSchema(AddressSchema, PasswordSchema):
    """A registration."""


class CurrentPasswordSchema(Schema):
    """The current password: an access token alone may be stolen."""

    current_password = fields.String(
        required=True,
        validate=validate.Length(1, MAX_PASSWORD_LENGTH),
        metadata={"format": "password", "example": "correct horse battery staple"},
    )


class NewPasswordSchema(CurrentPasswordSchema, PasswordSchema):
    """A change of password."""


class NewEmailSchema(CurrentPasswordSchema, AddressSchema):
    """A change of address."""


class LinkTokenSchema(Schema):
    """The token in a link."""

    token = fields.String(
        required=True,
        validate=validate.Length(1, MAX_TOKEN_LENGTH),
        metadata={"example": "the token of the link"},
    )


class ResetSchema(LinkTokenSchema, PasswordSchema):
    """A password reset with the token of an emailed link."""


class UserSchema(Schema):
    """An account as shown to its owner."""

    id = fields.UUID(required=True)
    email = EmailField(required=True)
    role = fields.String(required=True, validate=validate.OneOf([role.value for role in Role]))
    created_at = fields.AwareDateTime(required=True)
