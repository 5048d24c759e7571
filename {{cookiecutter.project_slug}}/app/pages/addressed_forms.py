"""Basket forms with an optional address, to which an email about the basket is sent."""

from collections.abc import Sequence

from wtforms import EmailField

from app.pages.basket_forms import BasketForm, LineForm


def email_field(description: str) -> EmailField:
    """Return an optional field for an email address."""
    return EmailField("Email address", description=description, render_kw={"autocomplete": "email"})


class AddressedForm(BasketForm):
    """A basket with an optional email address."""

    names = BasketForm.names | {"email"}
    email: EmailField

    def values(self, lines: Sequence[LineForm]) -> dict[str, object]:
        """Return the basket in the form of the API, with the address if it was filled in."""
        email = str(self.email.data or "").strip()
        return super().values(lines) | ({"email": email} if email else {})
