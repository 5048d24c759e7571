"""Requests that may say where an email goes."""

from app.core.mail.address import EmailField
from app.core.schemas import Schema


class AddressedSchema(Schema):
    """What is answered by email as well, if somebody says where."""

    email = EmailField(
        metadata={"description": "Where an email about it is sent", "example": "ada@example.com"}
    )
