"""What an operator and a client do with a living service: migrate its database, then use it.

A job runs this file inside the service's folder (see forkserver.py), with the database's URL and the journal
as arguments. The journal holds the rows as they were left, so that each run first shows that none was lost.
Delete it together with `test_living_services.py`.
"""

import contextlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

BASKET = {
    "currency": "EUR",
    "lines": [{"sku": "TEA-100", "quantity": 2, "unit_price_cents": 1050}],
}
ORDERS = "/api/v1/orders"
PASSWORD = "correct horse battery staple"  # noqa: S105 - of no account
# Alembic's own table, and those whose rows a service itself removes when they are used up.
NOT_COMPARED = {"alembic_version", "outbox_messages"}

Rows = dict[str, list[dict[str, Any]]]


def lost(before: Rows, after: Rows) -> list[str]:
    """List the rows that are missing, or have other values than they had."""
    return [
        f"{table}: {row}"
        for table, found in before.items()
        for row in found
        if not any(row.items() <= each.items() for each in after.get(table, []))
    ]


@contextlib.contextmanager
def openid_provider() -> Iterator[None]:
    """Run the provider whose tokens the service accepts, if it accepts those of one."""
    if importlib.util.find_spec("tests.provider") is None:
        yield
        return
    provider = importlib.import_module("tests.provider")
    with provider.OpenIDProvider() as running:
        testing = importlib.import_module("tests.environments").TESTING
        testing["oidc_issuer"] = running.realm(provider.KEY).issuer
        yield


class Life:
    """One application of the service, with its living database."""

    def __init__(self, database: str) -> None:
        settings = importlib.import_module("app.settings").Settings
        testing = importlib.import_module("tests.environments").TESTING
        url = {"database_url": database} if self.has("app.core.database") else {}
        self.app = importlib.import_module("app").create_app(
            settings.model_validate({**testing, **url})
        )
        self.client = self.app.test_client()

    @staticmethod
    def has(module: str) -> bool:
        """Return whether the service has a module."""
        try:
            return importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:  # of a package above it
            return False

    def command(self, *arguments: str) -> None:
        """Run a command of `flask`, which must succeed."""
        done = self.app.test_cli_runner().invoke(args=arguments)
        print("$ flask", *arguments, "\n", done.output)
        if done.exit_code:
            raise AssertionError(f"flask {' '.join(arguments)}: {done.output}") from done.exception

    def rows(self) -> Rows:
        """Read all rows of all tables, as JSON can store them."""
        database = importlib.import_module("app.core.database")
        quote = database.db.engine.dialect.identifier_preparer.quote
        inspector = importlib.import_module("sqlalchemy").inspect(database.db.engine)
        with database.reading() as connection:
            return {
                table: [
                    {column: str(value) for column, value in row.items()}
                    for row in connection.exec_driver_sql(
                        f"SELECT * FROM {quote(table)}"  # noqa: S608 - a name that the database has
                    ).mappings()
                ]
                for table in set(inspector.get_table_names()) - NOT_COMPARED
            }

    def compare(self, journal: Path) -> None:
        """Show that no row was lost since the journal was written."""
        with self.app.app_context():
            missing = lost(json.loads(journal.read_text()), self.rows()) if journal.exists() else []
        assert not missing, "\n".join(["These rows were lost:", *missing])

    def migrate(self) -> None:
        """Do what docs/updating.md says after an update."""
        self.command("db", "upgrade")
        self.command("retain")
        self.command("db", "migrate", "--message", "Follow the template")
        self.command("db", "upgrade")
        self.command("db", "check")

    def send(self, method: str, path: str, status: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - what Flask's client takes
        """Send a request, which must be answered with a status; return the JSON of the response."""
        response = self.client.open(path, method=method, **more)
        assert response.status_code == status, f"{method} {path}: {response.status} {response.text}"
        return response.get_json(silent=True) or {}

    def authorization(self) -> dict[str, str]:
        """Return the headers of a user, who registers first where the service has accounts."""
        if self.has("app.users"):
            tokens = importlib.import_module("app.users.tests").token
            credentials = {"email": f"{uuid4().hex}@mail.example", "password": PASSWORD}
            self.send("POST", "/api/v1/users", 202, json=credentials)
            link = {"token": tokens(self.app, credentials["email"], "verify-email")}
            self.send("POST", "/api/v1/auth/email-verification/confirm", 204, json=link)
            found = self.send("POST", "/api/v1/auth/login", 200, json=credentials)
            return {"Authorization": f"Bearer {found['access_token']}"}
        if self.has("app.core.access"):
            return {"Authorization": importlib.import_module("conftest").authorization(self.app)}
        return {}

    def use(self) -> None:
        """Register, log in, order, list, pay and cancel, with what the service has."""
        self.send("GET", "/health/ready", 200)
        if self.has("app.quotes"):
            self.send("POST", "/api/v1/quotes", 200, json=BASKET)
        if self.has("app.pages"):  # which may lead to a login
            assert self.client.get("/").status_code in {200, 303}
        if not self.has("app.core.database"):
            return
        if self.has("app.health.own_rows"):
            own = importlib.import_module("app.health.own_rows").OwnRow
            with (
                self.app.app_context(),
                importlib.import_module("app.core.database").writing() as transaction,
            ):
                transaction.add(own())
        headers = self.authorization()
        if self.has("app.orders"):
            self.order(headers)
        elif self.has("app.webhooks"):
            sender = importlib.import_module("app.webhooks.tests")
            assert sender.deliver(self.client, sender.event("note.added")).status_code == 204

    def order(self, headers: dict[str, str]) -> None:
        """Place two orders, pay one and cancel the other."""
        receipt = {"email": "ada@mail.example"} if self.has("app.orders.receipts") else {}
        placed = self.send("POST", ORDERS, 201, json=BASKET | receipt, headers=headers)
        kept = self.send("POST", ORDERS, 201, json=BASKET, headers=headers)
        listed = self.send("GET", f"{ORDERS}?limit=100", 200, headers=headers)["items"]
        assert {placed["id"], kept["id"]} <= {order["id"] for order in listed}
        if receipt:
            queue = importlib.import_module("app.core.mail").email_queue.of(self.app)
            queue.executor.submit(lambda: None).result()
            assert placed["id"] in "".join(email.get_content() for email in queue.captured)
        if self.has("app.webhooks"):
            sender = importlib.import_module("app.webhooks.tests")
            payment = {"order_id": kept["id"], "amount_cents": 2100, "currency": "EUR"}
            event = sender.event("payment.succeeded", **payment)
            assert sender.deliver(self.client, event).status_code == 204
            paid = self.send("GET", f"{ORDERS}/{kept['id']}", 200, headers=headers)
            assert paid["paid_at"]
        self.send("POST", f"{ORDERS}/{placed['id']}/cancel", 200, headers=headers)
        cancelled = self.send("GET", f"{ORDERS}/{placed['id']}", 200, headers=headers)
        assert cancelled["status"] == "cancelled"


def main(database: str, journal: Path) -> None:
    """Migrate, show that no row was lost, use the service, and write the journal for the next run."""
    with openid_provider():
        life = Life(database)
        if not life.has("app.core.database"):
            life.use()
            return
        life.migrate()
        life.compare(journal)
        life.use()
        with life.app.app_context():
            journal.write_text(json.dumps(life.rows()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
