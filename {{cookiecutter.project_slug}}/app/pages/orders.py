"""The pages of orders: the list, the form for a new order, and a single order."""

from collections.abc import Iterator
from uuid import UUID, uuid4

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import HiddenField

from app.core import (  # one line where it fits
    # {% if cookiecutter.auth != "none" %}
    access,
    # {% endif %}
    errors,
)
from app.core.api import pagination
from app.core.api.idempotency import IdempotencyKeyReused
from app.orders import service
from app.orders.models import OrderStatus
from app.orders.repository import OrderView
from app.orders.schemas import OrderRequestSchema
from app.pages import (  # one line where it fits
    # {% if cookiecutter.background_tasks %}
    addressed_forms,
    # {% else %}
    basket_forms,
    # {% endif %}
    # {% if cookiecutter.auth != "none" %}
    login_required,
    # {% endif %}
    rendering,
)

ORDERS = 20  # per page

blueprint = Blueprint("orders", __name__)


class OrderForm(  # one line where it fits
    # {% if cookiecutter.background_tasks %}
    addressed_forms.AddressedForm,
    # {% else %}
    basket_forms.BasketForm,
    # {% endif %}
):
    """A basket to order. Its key makes sure that it is ordered once, even if sent repeatedly."""

    schema = OrderRequestSchema
    key = HiddenField(default=lambda: str(uuid4()))
    # {% if cookiecutter.background_tasks %}
    email = addressed_forms.email_field("The receipt goes there. Leave this empty for none.")
    # {% endif %}


@blueprint.get("/")
# {% if cookiecutter.auth != "none" %}
@login_required.requires("orders:read")
# {% endif %}
def index() -> Response:
    """Show a page of orders, newest first."""
    cursor = request.args.get("cursor")
    try:
        after = pagination.decode_cursor(cursor) if cursor else None
    except ValueError:
        raise errors.NotFound from None
    found = service.list_orders(  # one line where it fits
        ORDERS,
        after,
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.principal().id,
        # {% endif %}
    )
    following = found.next and url_for(".index", cursor=pagination.encode_cursor(found.next))
    return rendering.page(
        "orders/index.html", orders=found.items, later=after is not None, following=following
    )


@blueprint.route("/orders/new", methods=["GET", "POST"])
# {% if cookiecutter.auth != "none" %}
@login_required.requires("orders:write")
# {% endif %}
def new() -> Response:
    """Show the form for a new order, and place the order on submission."""
    form = OrderForm()
    # {% if cookiecutter.background_tasks and cookiecutter.auth == "jwt" %}
    if not form.is_submitted() and (user := access.browser_session.user()):
        form.email.data = user.name
    # {% endif %}
    if form.wants_line():
        return rendering.page("orders/new.html", form=form)
    if basket := form.basket():
        try:
            order = service.place(  # one line where it fits
                basket,
                form.key.data,
                # {% if cookiecutter.auth != "none" %}
                owner_id=access.principal().id,
                # {% endif %}
            )
        except IdempotencyKeyReused:
            # The user went back to a form that was sent already, and changed it.
            form.key.data = str(uuid4())
            form.form_errors.append("This order was placed before. Send it again to order more.")
        else:
            flash("The order is placed.", "success")
            return redirect(url_for(".order", order_id=order.id), 303)
    return rendering.page("orders/new.html", 422 if form.is_submitted() else 200, form=form)


@blueprint.get("/orders/<uuid:order_id>")
# {% if cookiecutter.auth != "none" %}
@login_required.requires("orders:read")
# {% endif %}
def order(order_id: UUID) -> Response:
    """Show one order."""
    found = service.find(  # one line where it fits
        order_id,
        # {% if cookiecutter.auth != "none" %}
        owner_id=access.principal().id,
        # {% endif %}
    )
    return rendering.page(
        "orders/order.html", order=found, facts=_facts(found), cancellable=_cancellable(found)
    )


@blueprint.post("/orders/<uuid:order_id>/cancel")
# {% if cookiecutter.auth != "none" %}
@login_required.requires("orders:write")
# {% endif %}
def cancel(order_id: UUID) -> Response:
    """Cancel an order and redirect to its page."""
    try:
        service.cancel(  # one line where it fits
            order_id,
            # {% if cookiecutter.auth != "none" %}
            owner_id=access.principal().id,
            # {% endif %}
        )
    except errors.Conflict as problem:
        flash(problem.detail, "failure")
    else:
        flash("The order is cancelled.", "success")
    return redirect(url_for(".order", order_id=order_id), 303)


def _facts(order: OrderView) -> Iterator[tuple[str, object]]:
    """Yield labels and values for an order. The template formats a datetime."""
    yield "Number", order.id
    yield "Placed", order.created_at
    # {% if cookiecutter.webhooks %}
    yield "Paid", order.paid_at or "not yet"
    # {% endif %}


def _cancellable(order: OrderView) -> bool:
    """Return whether to show a cancel button. The service checks again when it is used."""
    # {% if cookiecutter.webhooks %}
    if order.paid_at:
        return False
    # {% endif %}
    return order.status is OrderStatus.PLACED
