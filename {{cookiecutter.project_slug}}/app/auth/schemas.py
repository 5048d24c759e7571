"""The request and response schemas of login and refresh."""

from marshmallow import fields, validate

from app.core.schemas import Schema
from app.users.schemas import MAX_PASSWORD_LENGTH, MAX_TOKEN_LENGTH, AddressSchema


class LoginSchema(AddressSchema):
    """Credentials: an email address and a password."""

    password = fields.String(
        required=True,
        validate=validate.Length(1, MAX_PASSWORD_LENGTH),
        metadata={"format": "password", "example": "correct horse battery staple"},
    )


class RefreshSchema(Schema):
    """The refresh token that was issued last."""

    refresh_token = fields.String(
        required=True,
        validate=validate.Length(1, MAX_TOKEN_LENGTH),
        metadata={"example": "the refresh token of the last response"},
    )


class TokensSchema(Schema):
    """A token response of OAuth 2.0 (RFC 6749, section 5.1)."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True, validate=validate.Equal("Bearer"))
    expires_in = fields.Integer(
        required=True, metadata={"description": "Lifetime of the access token, in seconds"}
    )
    refresh_token = fields.String(
        required=True,
        metadata={"description": "Valid once; the response to its use has the next one"},
    )
