"""`/health/live`, `/health/ready` and `/health/startup`, as Kubernetes means them."""

from flask import Blueprint, Response, current_app

from app.core import checks
from app.core.api import json_response
from app.core.errors import Unavailable

blueprint = Blueprint("health", __name__, url_prefix="/health")


class DependencyUnavailable(Unavailable):
    """Something this service needs does not answer; `checks` says which."""

    code = "dependency_unavailable"
    in_api = False
    detail = "Something that this service needs does not answer."


@blueprint.get("/live")
def live() -> Response:
    """Say that the process runs; a restart would not help against a dependency that is down."""
    return json_response({"status": "ok"})


@blueprint.get("/ready")
def ready() -> Response:
    """Say whether to send requests here: everything this service needs answers."""
    answered = checks.of(current_app).run()
    results = {name: "ok" if up else "down" for name, up in answered.items()}
    if not all(answered.values()):
        raise DependencyUnavailable(members={"checks": results})
    return json_response({"status": "ok", "checks": results})


@blueprint.get("/startup")
def startup() -> Response:
    """Say whether the process has been ready once; from then on the other probes decide."""
    if not current_app.extensions.get("started"):
        response = ready()
        current_app.extensions["started"] = True
        return response
    return json_response({"status": "ok"})
