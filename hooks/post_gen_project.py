"""Remove what was not chosen from the new service and say how to start it."""

import json
import shutil
from pathlib import Path

Answers = dict[str, str | bool]
# An answer ("tracing" for anything but no or none, "database=mysql"; several are joined by " and "
# or " or ") and the files and folders that exist only with it.
FILES = {
    "auth": "app/core/access.py tests/test_access.py",
    "auth and database": """app/orders/tests/test_owners.py
        migrations/versions/5b1e7d20c4a8_own_orders.py""",
    "auth=jwt": "app/core/tokens.py tests/own_callers.py tests/test_tokens.py",
    "database": """app/core/conditions.py app/core/database.py app/core/idempotency.py app/core/pagination.py
        app/orders migrations docs/database.md stubs/flask_migrate tests/database.py
        tests/test_database.py tests/test_migrations.py""",
    "database and tracing": "app/core/query_traces.py tests/test_query_traces.py",
    "dockerfile": ".dockerignore Dockerfile docs/container.md",
    "license": "LICENSE",
    "metrics": "app/core/internal.py app/core/metrics.py docs/metrics.md tests/test_internal.py tests/test_metrics.py",
    "rate_limiting": "app/core/rate_limits.py docs/rate_limits.md tests/test_rate_limits.py",
    "tracing": "app/core/tracing.py docs/tracing.md tests/test_tracing.py",
    "webhooks": "app/core/signatures.py app/webhooks docs/webhooks.md tests/test_signatures.py",
    "webhooks and database": """app/orders/payments.py app/webhooks/commands.py
        app/webhooks/models.py app/webhooks/service.py app/webhooks/tests/test_payments.py
        migrations/versions/3f1c5b0e9a42_create_webhook_deliveries.py""",
    "webhooks and database=none": "app/webhooks/replays.py app/webhooks/tests/test_replays.py",
}


def chosen(answers: Answers, key: str) -> bool:
    """Tell whether what a key of FILES names was answered."""
    for word, reduce in ((" or ", any), (" and ", all)):
        if word in key:
            return reduce(chosen(answers, each) for each in key.split(word))
    name, _, value = key.partition("=")
    return answers[name] == value if value else answers[name] not in (False, "none")


def prune(project: Path, answers: Answers) -> None:
    """Remove what is not wanted, and the folders which that leaves empty."""
    left_out = [key for key in FILES if not chosen(answers, key)]
    for path in (project / path for key in left_out for path in FILES[key].split()):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        while (path := path.parent) != project and path.is_dir() and not any(path.iterdir()):
            path.rmdir()


if __name__ == "__main__":
    answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
    prune(Path.cwd(), answers)
    if "_output_dir" in answers:  # not under cruft, whose updates generate in temporary folders
        print(f"\nThe service is ready. Next:\n    cd {Path.cwd()}\n    make test\n    make run\n")
