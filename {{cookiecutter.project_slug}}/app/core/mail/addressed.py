"""Requests that may say where a letter goes."""

from app.core.mail.address import EmailField
from app.core.schemas import Schema


class AddressedSchema(Schema):
    """What is answered by letter as well, if somebody says where."""

    email = EmailField(
        metadata={"description": "Where a letter about it is sent", "example": "ada@example.com"}
    )
