"""The page that prices a basket. Nothing is stored."""

from flask import (  # one line where it fits
    Blueprint,
    Response,
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    flash,
    # {% endif %}
)

from app.pages import (  # one line where it fits
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    addressed_forms,
    # {% else %}
    basket_forms,
    # {% endif %}
    rendering,
)
from app.quotes import (  # one line where it fits
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    emails,
    # {% endif %}
    service,
)
from app.quotes.schemas import QuoteRequestSchema

# {% if cookiecutter.database == "none" %}
PATH = "/"
# {% else %}
PATH = "/quote"
# {% endif %}

blueprint = Blueprint("quotes", __name__)


class QuoteForm(  # one line where it fits
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    addressed_forms.AddressedForm,
    # {% else %}
    basket_forms.BasketForm,
    # {% endif %}
):
    """A basket to price."""

    schema = QuoteRequestSchema
    # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
    email = addressed_forms.email_field("The quote goes there, too. Leave this empty for none.")
    # {% endif %}


@blueprint.route(PATH, methods=["GET", "POST"])
def quote() -> Response:
    """Show the form, and the priced basket on submission."""
    form = QuoteForm()
    if form.wants_line():
        return rendering.page("quote.html", form=form)
    if basket := form.basket():
        # {% if cookiecutter.background_tasks and cookiecutter.database == "none" %}
        if email := basket.get("email"):
            emails.enqueue(email, basket)
            flash("The quote is on its way to the email address.", "success")
        # {% endif %}
        return rendering.page("quote.html", form=form, quote=service.price(basket))
    return rendering.page("quote.html", 422 if form.is_submitted() else 200, form=form)
