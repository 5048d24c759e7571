"""The page that prices a basket; nothing is kept."""

from flask import Blueprint, Response

from app.pages import rendering
from app.pages.forms import BasketForm
from app.quotes import service

# {% if cookiecutter.database == "none" %}
PATH = "/"
# {% else %}
PATH = "/quote"
# {% endif %}

blueprint = Blueprint("quotes", __name__)


@blueprint.route(PATH, methods=["GET", "POST"])
def quote() -> Response:
    """Show the form, and once it is sent what the basket costs."""
    form = BasketForm()
    if form.wants_line():
        return rendering.page("quote.html", form=form)
    if basket := form.basket():
        return rendering.page("quote.html", form=form, quote=service.price(basket))
    return rendering.page("quote.html", 422 if form.is_submitted() else 200, form=form)
