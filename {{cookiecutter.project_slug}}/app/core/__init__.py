"""Code that all domains share. Nothing here imports a domain."""
# {% if cookiecutter.tracing %}

# First, because OpenTelemetry reads these environment variables when it is imported.
from app.core.config import otel_environment as otel_environment
# {% endif %}
