"""What an author of a Python client writes, with the client that openapi-python-client has made."""

import sys
from uuid import uuid4

from shop import AuthenticatedClient, Client
from shop.api.auth import log_in
from shop.api.orders import cancel_order, create_order, list_orders
from shop.models import (
    Line,
    Login,
    Order,
    OrderPage,
    OrderRequest,
    OrderStatus,
    Problem,
    ProblemCode,
    Tokens,
)

site, email, password = sys.argv[1:]
anonymous = Client(base_url=site)

refused = log_in.sync(client=anonymous, body=Login(email=email, password=f"not {password}"))
assert isinstance(refused, Problem)
assert refused.code == ProblemCode.INVALID_CREDENTIALS

tokens = log_in.sync(client=anonymous, body=Login(email=email, password=password))
assert isinstance(tokens, Tokens)
client = AuthenticatedClient(base_url=site, token=tokens.access_token)

basket = OrderRequest(currency="EUR", lines=[Line(sku="TEA-100", quantity=2, unit_price_cents=450)])
created = create_order.sync(client=client, body=basket, idempotency_key=str(uuid4()))
assert isinstance(created, Order)
assert created.total_cents == 900

listed = list_orders.sync(client=client, limit=5)
assert isinstance(listed, OrderPage)
assert created.id in [each.id for each in listed.items]

cancelled = cancel_order.sync(created.id, client=client)
assert isinstance(cancelled, Order)
assert cancelled.status is OrderStatus.CANCELLED

again = cancel_order.sync(created.id, client=client)
assert isinstance(again, Problem)
assert again.code == ProblemCode.ORDER_ALREADY_CANCELLED
print("driven")
