"""Remove what was not chosen from the new service and say how to start it."""

import json
import shutil
from pathlib import Path

Answers = dict[str, str | bool]
# What a word of FILES may stand for: a domain, or a module of the core, with its tests and its page.
PLACES = """{0} app/{0} app/{0}.py app/core/{0}.py docs/{0}.md tests/{0}.py tests/test_{0}.py
    migrations/versions/{0}.py"""
# An answer ("tracing" for anything but no or none, "database=mysql"; several are joined by " and "
# or " or ") and what exists only with it.
FILES = {
    "auth": "access",
    "auth and database": """admin orders/administration orders/tests/test_owners
        5b1e7d20c4a8_own_orders 8c2f4a91d7e0_create_audit_entries""",
    "auth=jwt": """accounts admin/accounts admin/tests/test_accounts auth fingerprints links
        own_callers passwords sessions/refresh_tokens sessions/tests/test_refresh_tokens tokens users
        c19e5a7d4b02_create_users""",
    "auth=oidc": "oidc provider provider_process",
    "auth=oidc and tracing": "call_traces",
    "auth=jwt or background_tasks": "mail",
    "auth=jwt or web_ui and auth=oidc": "public_url sign_ins",
    "auth=jwt or web_ui and auth=oidc and database": "logins sessions 8d4f02b71c36_create_sessions",
    "background_tasks": """addressed background_tasks broker quotes/letters stubs/celery stubs/kombu tasks
        workers worker.py""",
    "background_tasks and database": """orders/receipts orders/tests/test_receipts outbox schedule
        e2a86f0d3b95_create_outbox""",
    "background_tasks and database=none": "quotes/mailing quotes/tests/test_mailing",
    "background_tasks and metrics": """task_metrics deploy/grafana/tasks.json
        deploy/prometheus/rules/tasks.yml deploy/prometheus/tests/tasks.yml""",
    "background_tasks and metrics and database": """outbox_metrics deploy/grafana/outbox.json
        deploy/prometheus/rules/outbox.yml deploy/prometheus/tests/outbox.yml""",
    "background_tasks and metrics and database=none": """queue_metrics deploy/grafana/queue.json
        deploy/prometheus/rules/queue.yml deploy/prometheus/tests/queue.yml""",
    "background_tasks and tracing": "task_traces",
    "caching": "caching orders/cached orders/tests/test_cached",
    "caching and metrics": """cache_metrics deploy/grafana/caching.json
        deploy/prometheus/rules/caching.yml deploy/prometheus/tests/caching.yml""",
    "database": """conditions database idempotency migrations orders pagination slow_queries
        stubs/flask_migrate""",
    "database and metrics": """orders/events orders/tests/test_events pool_metrics deploy/grafana/orders.json
        deploy/prometheus/rules/database.yml deploy/prometheus/tests/database.yml""",
    "database and tracing": "query_traces",
    "database=postgresql or database=mysql": "collisions",
    "dockerfile": "container .dockerignore Dockerfile",
    "license": "LICENSE",
    "metrics": "dashboards deploy/grafana deploy/prometheus internal metrics worker_metrics",
    "metrics and tracing": "exemplars",
    "metrics and webhooks": """webhooks/events webhooks/tests/test_events deploy/grafana/webhooks.json
        deploy/prometheus/rules/webhooks.yml deploy/prometheus/tests/webhooks.yml""",
    "metrics or tracing": "servers",
    "rate_limiting": "rate_limits",
    "rate_limiting or caching": "redis_server",
    "rate_limiting and tracing or caching and tracing": "redis_traces",
    "tracing": "tracing",
    "web_ui or background_tasks": "quotes/money quotes/tests/test_money",
    "web_ui": "browsers pages stubs/flask_wtf",
    "web_ui and auth": "browser pages/visitors",
    "web_ui and auth=jwt": """pages/accounts pages/sign_in pages/templates/pages/accounts
        pages/tests/test_accounts pages/tests/test_sign_in""",
    "web_ui and auth=oidc": """code_flow sign_in_process pages/provider_sign_in
        pages/templates/pages/provider pages/tests/test_provider_sign_in""",
    "web_ui and auth=oidc and database": "pages/logins",
    "web_ui and database": "pages/orders pages/templates/pages/orders pages/tests/test_order_pages",
    "webhooks": "signatures webhooks",
    "webhooks and database": """orders/payments webhooks/commands webhooks/models webhooks/service
        webhooks/tests/test_payments 3f1c5b0e9a42_create_webhook_deliveries""",
    "webhooks and database=none": "webhooks/replays webhooks/tests/test_replays",
}


def paths(key: str) -> list[str]:
    """List what exists only with the answers that a key of FILES names, if it exists at all."""
    return " ".join(PLACES.format(word) for word in FILES[key].split()).split()


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
    for path in (project / path for key in left_out for path in paths(key)):
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
