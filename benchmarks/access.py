"""Measure the cost of authentication: a route that requires a scope, compared with one that does not.

Both are called alternately in this process, without a server. The best of several rounds counts,
because other load on the machine only adds time.
"""

import importlib
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

TREE = Path(__file__).parents[1] / "{{cookiecutter.project_slug}}"
REQUESTS = 1_000
ROUNDS = 9
MAX_MICROSECONDS = 120


def application() -> Any:  # noqa: ANN401 - the tree has no types here
    """Create the tree's application with two routes that differ in one line."""
    sys.path.insert(0, str(TREE))
    app_package, api, access, access_tokens, settings = map(
        importlib.import_module,
        (
            "app",
            "app.core.api",
            "app.core.access",
            "app.core.access.tokens",
            "app.settings",
        ),
    )
    values = {"app_env": "testing", "log_level": "ERROR", "rate_limit": "1000000000/minute"}
    app = app_package.create_app(settings.Settings.model_validate(values))
    logging.getLogger().setLevel(logging.ERROR)
    blueprint = api.Blueprint("bench", __name__, description="Two routes that differ in one line")

    def view() -> Any:  # noqa: ANN401
        return api.json_response({"status": "ok"})

    blueprint.route("/open", methods=["GET"])(view)
    blueprint.route("/guarded", methods=["GET"])(blueprint.requires("orders:read")(view))
    app.register_blueprint(blueprint, url_prefix="/bench")
    principal = access.Principal(uuid4(), access.scopes.of(app).of_role("user"), uuid4())
    app.bench_token = access_tokens.tokens.of(app).issue(principal).value
    return app


def seconds(serve: Callable[[], None]) -> float:
    """Return the CPU seconds of one request."""
    started = time.process_time()
    for _ in range(REQUESTS):
        serve()
    return (time.process_time() - started) / REQUESTS


def measure() -> tuple[float, float, int]:
    """Return the CPU seconds of a request to the guarded and to the open route, and the number of queries."""
    app = application()
    test = importlib.import_module("werkzeug.test")

    def request(path: str, **headers: str) -> Callable[[], None]:
        environ = test.EnvironBuilder(path=path, headers=headers).get_environ()

        def serve() -> None:
            response = test.run_wsgi_app(app, dict(environ), buffered=True)
            if response[1] != "200 OK":
                sys.exit(f"{path} answered {response[1]}")

        return serve

    guarded = request("/bench/guarded", Authorization=f"Bearer {app.bench_token}")
    unguarded = request("/bench/open")
    sqlalchemy = importlib.import_module("sqlalchemy")
    sent: list[object] = []
    count = ("before_cursor_execute", lambda *query: sent.append(query))
    sqlalchemy.event.listen(sqlalchemy.Engine, *count)
    guarded()
    sqlalchemy.event.remove(sqlalchemy.Engine, *count)
    rounds = [(seconds(guarded), seconds(unguarded)) for _ in range(ROUNDS)]
    best = [min(each) for each in zip(*rounds, strict=True)]
    return best[0], best[1], len(sent)


def main() -> None:
    """Print the figures; exit with an error if they exceed a limit."""
    guarded, unguarded, queries = measure()
    cost = (guarded - unguarded) * 1e6
    print(
        f"authenticating a principal by an access token (HS256): {cost:.0f} µs of CPU and {queries} queries a "
        f"request, {guarded / unguarded:.2f} times the same route without ({unguarded * 1e6:.0f} µs)"
    )
    if cost > MAX_MICROSECONDS or queries:
        sys.exit(f"The limit is {MAX_MICROSECONDS} µs and no query")


if __name__ == "__main__":
    main()
