"""The basket form. Its input is validated with the schema of the API."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from flask import request
from flask_wtf import FlaskForm
from marshmallow import ValidationError
from wtforms import Field, FieldList, Form, FormField, StringField

from app.core.errors import Problem
from app.pages import money
from app.pages.forms import MISSING
from app.quotes.schemas import MAXIMUM_LINES, MAXIMUM_UNIT_PRICE, BasketSchema
from app.quotes.service import Basket

# WTForms parses line numbers with int(), which fails for "²" and for thousands of digits.
LINE_NAME = re.compile(r"lines-[0-9]{1,4}-(?:sku|quantity|price)", re.ASCII)
WHOLE = re.compile(r"[0-9]{1,12}", re.ASCII)


class LineForm(Form):
    """An article and its quantity."""

    sku = StringField("Article number")
    quantity = StringField("Quantity", render_kw={"inputmode": "numeric"})
    price = StringField("Price of one", render_kw={"inputmode": "decimal"})

    def typed(self) -> dict[str, str]:
        """Return the text of each field that is filled in."""
        return {field.short_name: text for field in self if (text := _text(field))}


class BasketForm(FlaskForm):
    """Lines in one currency. Empty lines are ignored."""

    names: ClassVar[frozenset[str]] = frozenset({"csrf_token", "currency", "key", "add"})
    """The form's other fields, apart from those of lines."""
    schema: ClassVar[type[BasketSchema]]
    """The schema that validates the basket."""
    currency = StringField("Currency", default="EUR", description="Three letters, such as EUR")
    lines: "FieldList[FormField[LineForm]]" = FieldList(
        FormField(LineForm),
        "Line",
        min_entries=1,
        max_entries=MAXIMUM_LINES + 1,  # one over the limit, so that the schema reports the error
    )

    def __init__(self) -> None:
        """Parse the submitted form, if any.

        Raises:
            Problem: when the request has a field that this form does not have.

        """
        if not all(name in self.names or LINE_NAME.fullmatch(name) for name in request.form):
            raise Problem
        super().__init__()

    def wants_line(self) -> bool:
        """Return whether another line was requested, and add it if the limit allows."""
        if "add" not in request.form:
            return False
        if len(self.lines) < MAXIMUM_LINES:
            self.lines.append_entry()
        return True

    def basket(self) -> Basket | None:
        """Return the submitted basket, or None if nothing was submitted or the form has errors."""
        if not self.validate_on_submit():
            return None
        used = [entry.form for entry in self.lines if entry.form.typed()]
        used = used or [self.lines[0].form]
        try:
            return cast("Basket", self.schema().load(self.values(used)))
        except ValidationError as error:
            self._show(cast("Mapping[str, Any]", error.messages), used)
            return None

    def values(self, lines: Sequence[LineForm]) -> dict[str, object]:
        """Return the basket in the form of the API."""
        currency = _text(self.currency).upper()
        return {"currency": currency, "lines": [_line(line, currency) for line in lines]}

    def _show(self, messages: Mapping[str, Any], used: list[LineForm]) -> None:
        """Show the schema's messages beside their fields."""
        for name in messages.keys() - {"lines"}:
            self[name].errors = messages[name]
        lines = messages.get("lines", {})
        if isinstance(lines, list):
            self.form_errors.append(f"There may be at most {MAXIMUM_LINES} lines.")
            return
        for position, wrong in lines.items():
            line = used[position]
            fields = {"sku": line.sku, "quantity": line.quantity, "unit_price_cents": line.price}
            for name, sentences in wrong.items():
                field = fields[name]
                # A malformed price has an error already and was not passed to the schema.
                field.errors = field.errors or (sentences if _text(field) else [MISSING])


def _text(field: Field) -> str:
    return str(field.data or "").strip()


def _line(line: LineForm, currency: str) -> dict[str, object]:
    """Return a line in the form of the API, without empty fields or a malformed price."""
    found: dict[str, object] = dict(line.typed())
    if WHOLE.fullmatch(_text(line.quantity)):
        found["quantity"] = int(_text(line.quantity))
    if price := found.pop("price", None):
        try:
            found["unit_price_cents"] = money.read(str(price), currency, MAXIMUM_UNIT_PRICE)
        except ValueError as error:
            line.price.errors = [str(error)]
    return found
