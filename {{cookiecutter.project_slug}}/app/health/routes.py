"""`/health/live`, `/health/ready` and `/health/startup`, with the meaning of Kubernetes' probes."""

from flask import Blueprint, Response, current_app

from app.core.api import json_response
from app.core.checks import readiness_checks
from app.core.errors import Unavailable
from app.core.extension import Extension

blueprint = Blueprint("health", __name__, url_prefix="/health")

started = Extension[bool]("started")
"""Whether the process has been ready once."""


class DependencyUnavailable(Unavailable):
    """A dependency does not respond; the member `checks` names it."""

    code = "dependency_unavailable"
    in_api = False
    detail = "A dependency of this service is unavailable."


@blueprint.get("/live")
def live() -> Response:
    """Report that the process runs. Checks no dependency: a restart would not repair one."""
    return json_response({"status": "ok"})


@blueprint.get("/ready")
def ready() -> Response:
    """Report whether this instance can serve requests: all dependencies respond."""
    checks = readiness_checks.current.run()
    results = {name: "ok" if up else "down" for name, up in checks.items()}
    if not all(checks.values()):
        raise DependencyUnavailable(members={"checks": results})
    return json_response({"status": "ok", "checks": results})


@blueprint.get("/startup")
def startup() -> Response:
    """Report whether the process has been ready once; after that it always succeeds."""
    if not started.current:
        response = ready()
        started.set(current_app, value=True)
        return response
    return json_response({"status": "ok"})
