"""Gunicorn's configuration; the values that vary come from the service's settings.

Importing the settings below also loads the application's modules in the master, so that workers
share their memory and start quickly. Each worker creates the application itself, after the fork:
two processes must never share connections or background threads.
So a reload (`kill -HUP`) rereads the settings but not the code. To deploy, start the new version
beside the old one (USR2, then TERM) or replace the container.
"""

import math
import os
import sys
from pathlib import Path

from app.core.config import InvalidSettings
from app.core.observability import (  # one line where it fits
    logs,
    # {% if cookiecutter.metrics %}
    multiprocess,
    # {% endif %}
)
from app.core.process import (  # one line where it fits
    liveness,
    # {% if cookiecutter.database == "postgresql" or cookiecutter.database == "mysql" or cookiecutter.rate_limiting or cookiecutter.caching or cookiecutter.background_tasks %}
    preload,
    # {% endif %}
    stop_signals,
)
from app.settings import Settings

CGROUPS = Path("/sys/fs/cgroup")
MEMORY = Path("/dev/shm")  # noqa: S108  no file with a predictable name is created there


def quota_v2(cpu_max: str) -> float | None:
    """Parse `cpu.max` of cgroups version 2: "150000 100000" allows one and a half CPUs."""
    quota, _, period = cpu_max.strip().partition(" ")
    return None if quota in {"", "max"} else int(quota) / int(period)


def quota_v1(quota: str, period: str) -> float | None:
    """Parse `cpu.cfs_quota_us` and `cpu.cfs_period_us` of version 1, where -1 means no limit."""
    return None if int(quota) <= 0 else int(quota) / int(period)


def cpu_quota(groups: Path = CGROUPS) -> float | None:
    """Return the number of CPUs that the container may use; None without a container or limit."""
    try:
        if (version_2 := groups / "cpu.max").exists():
            return quota_v2(version_2.read_text(encoding="ascii"))
        version_1 = groups / "cpu"
        return quota_v1(
            (version_1 / "cpu.cfs_quota_us").read_text(encoding="ascii"),
            (version_1 / "cpu.cfs_period_us").read_text(encoding="ascii"),
        )
    except (OSError, ValueError):
        return None


def usable_cpus() -> int:
    """Return the number of CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def default_workers(quota: float | None, cpus: int) -> int:
    """Return one worker per CPU, and at least two, so that one can restart."""
    allowed = cpus if quota is None else min(cpus, math.ceil(quota))
    return max(2, allowed)


# Invalid settings end the master here, with one message, before any worker starts.
_settings = Settings.load()
if os.environ.get("SCRIPT_NAME"):
    # Gunicorn would respond with a 500 to every path that does not start with it, such as those of probes.
    raise InvalidSettings({"SCRIPT_NAME": "is not for this service; set URL_PREFIX instead"})

# {% if cookiecutter.database == "postgresql" or cookiecutter.database == "mysql" or cookiecutter.rate_limiting or cookiecutter.caching or cookiecutter.background_tasks %}
preload.load()

# {% endif %}
wsgi_app = "app:create_app()"
bind = (
    f"[{_settings.host}]:{_settings.port}"
    if ":" in _settings.host
    else f"{_settings.host}:{_settings.port}"
)

# Threads, because requests wait for other services; processes, to use all CPUs.
worker_class = "gthread"
workers = _settings.web_concurrency or default_workers(cpu_quota(), usable_cpus())
threads = _settings.web_threads
preload_app = False

# A worker restarts after this many requests, which limits the effect of a memory leak. The jitter
# prevents workers from restarting together.
max_requests = 20_000
max_requests_jitter = 2_000

# A worker without a heartbeat for this long is killed.
timeout = liveness.WORKER_TIMEOUT_SECONDS
# The time for requests in flight to finish at a stop; less than the 30 s that Kubernetes waits.
graceful_timeout = 25
# Longer than a proxy keeps idle connections (nginx and AWS: 60 s). If the service closed one
# first, the proxy could send a request into it and respond with a 502.
keepalive = 75

pre_fork = stop_signals.block


def when_ready(_server: object) -> None:
    """Open the liveness port that workers inherit; log warnings and unhandled exceptions."""
    logs.log_warnings_and_exceptions()
    liveness.listen(_settings.host, _settings.liveness_port)


def post_worker_init(worker: object) -> None:
    """Accept stop signals, and answer liveness probes."""
    stop_signals.unblock(worker)
    liveness.serve()


# A worker's heartbeat touches a file; on a slow disk it could come too late.
worker_tmp_dir = str(MEMORY) if os.access(MEMORY, os.W_OK) else None
# The socket would be created in the home directory, which a read-only container does not have.
control_socket_disable = True

# Accept what nginx passes on, which Gunicorn would otherwise refuse with its own error page. nginx
# has buffers of 8 KiB, accepts 1,000 headers and adds some. It also adds the CRLF and the space
# that a header came without. Gunicorn counts the CRLF of a header, but not that of the request
# line.
limit_request_line = 8_190
limit_request_fields = 1_024
limit_request_field_size = 8_194

# The application decides which proxies to trust (TRUSTED_PROXY_HOPS); Gunicorn trusts none.
forwarded_allow_ips = ""

# {% if cookiecutter.metrics %}
on_starting, child_exit, on_exit = multiprocess.GUNICORN_HOOKS
# {% endif %}
# The application logs one line per request, with more details than Gunicorn has.
accesslog = None
loglevel = _settings.log_level.lower()
logconfig_dict = {
    **logs.config(_settings),
    # Gunicorn's own messages use the same handlers and format as all others.
    "loggers": {"gunicorn.error": {"level": _settings.log_level, "propagate": True}},
}
