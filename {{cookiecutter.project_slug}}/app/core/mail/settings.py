"""The settings of email."""

from pydantic import Field, ValidationInfo, field_validator

from app.core.config import required_in_production
from app.core.config.secret_url import SecretURL
from app.core.config.tls import CAFile
from app.core.mail.address import normalised
from app.core.mail.recipients import RecipientSettings
from app.core.mail.smtp import server_parts

DEVELOPMENT_FROM = "service@localhost"


class MailSettings(RecipientSettings):
    """Email."""

    mail_url: SecretURL | None = Field(
        default=None, validate_default=True, examples=["smtp://user:password@mail.example:587"]
    )
    """The URL of the mail server: smtp:// or smtps://; unset in development: emails are written to
    the terminal."""
    mail_ca_file: CAFile = None
    """A file of the certificate authorities for the mail server, in PEM; unset: those of the
    system."""
    mail_from: str = Field(default="", validate_default=True)
    """The sender's address of all emails."""

    @field_validator("mail_url")
    @classmethod
    def _a_server(cls, value: SecretURL | None, info: ValidationInfo) -> SecretURL | None:
        required_in_production(value, info)
        if value and not server_parts(value):
            message = "must be smtp://user:password@host:587 or smtps://user:password@host:465"
            raise ValueError(message)
        return value

    @field_validator("mail_from")
    @classmethod
    def _an_address(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            required_in_production(None, info)
            return DEVELOPMENT_FROM
        if normalised(value) is None:
            message = "must be an email address"
            raise ValueError(message)
        return value
