"""How Gunicorn serves this application; every number comes from the service's own settings.

Importing the settings below also loads the application's modules in the master, so that workers
share their memory and start at once. The application itself is made in each worker, after the
fork: connections and background threads must never be shared by two processes.
For both reasons a reload (`kill -HUP`) rereads the settings but not the code. To deploy, start
the new version beside the old one (USR2, then TERM) or replace the container.
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
MEMORY = Path("/dev/shm")  # noqa: S108  no file of a fixed name is made there


def quota_v2(cpu_max: str) -> float | None:
    """Read `cpu.max` of control groups version 2: "150000 100000" allows one and a half CPUs."""
    quota, _, period = cpu_max.strip().partition(" ")
    return None if quota in {"", "max"} else int(quota) / int(period)


def quota_v1(quota: str, period: str) -> float | None:
    """Read `cpu.cfs_quota_us` and `cpu.cfs_period_us` of version 1, where -1 means no limit."""
    return None if int(quota) <= 0 else int(quota) / int(period)


def cpu_quota(groups: Path = CGROUPS) -> float | None:
    """Return how many CPUs the container may use; None outside containers and without a limit."""
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
    """Return how many CPUs this process may run on, whatever the machine has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def default_workers(quota: float | None, cpus: int) -> int:
    """Return one worker a CPU; never fewer than two, so that one may restart."""
    allowed = cpus if quota is None else min(cpus, math.ceil(quota))
    return max(2, allowed)


# What is wrong with the settings ends the master here, in one message, before any worker starts.
_settings = Settings.load()
if os.environ.get("SCRIPT_NAME"):
    # Gunicorn would answer 500 to every path that does not begin with it, as probes' do not.
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

# Threads wait for other services; processes use the CPUs.
worker_class = "gthread"
workers = _settings.web_concurrency or default_workers(cpu_quota(), usable_cpus())
threads = _settings.web_threads
preload_app = False

# A worker restarts after so many requests, which bounds what a slow leak can take. The jitter
# keeps the workers from restarting together.
max_requests = 20_000
max_requests_jitter = 2_000

# A worker that gives no sign of life for so long is killed.
timeout = liveness.WORKER_TIMEOUT_SECONDS
# Requests in flight may finish at a stop; shorter than the 30 s that Kubernetes waits.
graceful_timeout = 25
# Longer than a proxy keeps idle connections (nginx and AWS: 60 s). If the service closed one
# first, the proxy could send a request into it and answer 502.
keepalive = 75

pre_fork = stop_signals.hold


def when_ready(_server: object) -> None:
    """Open what the workers inherit, and log what they would print."""
    logs.log_what_python_prints()
    liveness.listen(_settings.host, _settings.liveness_port)


def post_worker_init(worker: object) -> None:
    """Begin to work."""
    stop_signals.let_in(worker)
    liveness.serve()


# Workers show that they live by touching a file, and a slow disk would make them look dead.
worker_tmp_dir = str(MEMORY) if os.access(MEMORY, os.W_OK) else None
# It would be opened in the home directory, which a container with a read-only root has not.
control_socket_disable = True

# What nginx passes on, or it would be refused with a page of Gunicorn's own. nginx has buffers of 8 KiB,
# takes 1,000 headers and adds some. It also writes the CRLF and the blank that a header came without.
# Gunicorn counts the CRLF of a header, and not that of the request line.
limit_request_line = 8_190
limit_request_fields = 1_024
limit_request_field_size = 8_194

# The application decides which proxies it believes (TRUSTED_PROXY_HOPS); Gunicorn believes none.
forwarded_allow_ips = ""

# {% if cookiecutter.metrics %}
on_starting, child_exit, on_exit = multiprocess.GUNICORN_HOOKS
# {% endif %}
# The application writes one line a request and says more than Gunicorn could.
accesslog = None
loglevel = _settings.log_level.lower()
logconfig_dict = {
    **logs.config(_settings),
    # Gunicorn's own messages go where all others go, in the same format.
    "loggers": {"gunicorn.error": {"level": _settings.log_level, "propagate": True}},
}
