"""Baskets whose answer is also sent by e-mail, if somebody says where to."""

from collections.abc import Sequence

from wtforms import EmailField

from app.pages.forms import BasketForm, LineForm


def email_field(description: str) -> EmailField:
    """Ask for an address; it may be left empty."""
    return EmailField(
        "E-mail address", description=description, render_kw={"autocomplete": "email"}
    )


class AddressedForm(BasketForm):
    """A basket, and where to write to about it."""

    names = BasketForm.names | {"email"}
    email: EmailField

    def values(self, lines: Sequence[LineForm]) -> dict[str, object]:
        """Return the basket as the API takes it, with the address if one was typed."""
        email = str(self.email.data or "").strip()
        return super().values(lines) | ({"email": email} if email else {})
