"""What every domain needs and no domain owns. Nothing here imports a domain."""
# {% if cookiecutter.tracing %}

# First of all, because some numbers have to be right before OpenTelemetry is imported.
from app.core.config import otel_environment as otel_environment
# {% endif %}
