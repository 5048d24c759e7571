"""The default settings of applications in tests."""

# {% if cookiecutter.database == "postgresql" %}
EXAMPLE_URL = "postgresql://service:pass-word@127.0.0.1:1/service"
# {% endif %}
# {% if cookiecutter.database == "mysql" %}
EXAMPLE_URL = "mysql://service:pass-word@127.0.0.1:1/service"
# {% endif %}
# {% if cookiecutter.database == "sqlite" %}
EXAMPLE_URL = "sqlite:////var/lib/service/service.db"
# {% endif %}
# The minimum settings for production.
PRODUCTION: dict[str, str] = {
    "app_env": "production",
    "secret_key": "8d3e1f0a6c94b7525fd04e7ab1c6e92837a0d5f1924be86c03f7d18a5b6e4c29",
    # {% if cookiecutter.database != "none" %}
    "database_url": EXAMPLE_URL,
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    "broker_url": "amqp://service:pass-word@broker.example/shop",
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.background_tasks %}
    "mail_url": "smtps://service:pass-word@mail.example",
    "mail_from": "service@shop.example",
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" %}
    "jwt_keys": (
        '{"keys": [{"kty": "oct", "kid": "1", "k": "f3Jk0Zs9mW1xQv6TgYc2Lh8BnE5uRa7DoPiKtXw4SdA"}]}'
    ),
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" %}
    "oidc_issuer": "https://login.example/realms/shop",
    "oidc_audience": "https://api.shop.example",
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    "oidc_client_id": "shop",
    "oidc_client_secret": "of the shop, known to nobody else",
    # {% endif %}
    # {% if cookiecutter.auth == "jwt" or cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    "public_url": "https://shop.example",
    # {% endif %}
    # {% if cookiecutter.caching %}
    "redis_url": "redis://127.0.0.1:1/0",
    # {% endif %}
    # {% if cookiecutter.webhooks %}
    "webhook_secrets": "whsec_Xk3vQ9bT0mZy7Lw2Rc5NfGh8JpUs1DaE4oIiKjVxWqM=",
    # {% endif %}
}
TESTING: dict[str, object] = {
    "app_env": "testing",
    "readiness_timeout_seconds": 60.0,  # never exceeded, not even on a busy machine
    # {% if cookiecutter.auth == "oidc" %}
    "oidc_audience": "https://api.shop.example",  # of the issuer that conftest.py starts
    "oidc_role_claim": "realm_access.roles",
    "oidc_admin_requires": "role:admin",
    # {% endif %}
    # {% if cookiecutter.auth == "oidc" and cookiecutter.web_ui %}
    "oidc_client_id": "shop",
    "oidc_client_secret": "of the shop, known to nobody else",
    # {% endif %}
    # {% if cookiecutter.rate_limiting %}
    "rate_limit": "1000000/minute",  # all tests are one client
    # {% endif %}
    # {% if cookiecutter.background_tasks %}
    "task_publish_timeout_seconds": 30.0,  # never exceeded, not even on a busy machine
    # {% endif %}
}
