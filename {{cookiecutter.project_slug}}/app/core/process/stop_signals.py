"""Block the signals that stop a Gunicorn worker while it starts.

Between the fork and the installation of its own handlers a worker has the master's handlers, which
would receive a signal without stopping the worker; the master would then wait for
`graceful_timeout`. Gunicorn's hooks block these signals before the fork, and unblock them when the
worker can handle them.
"""

import os
import signal

SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


def block(server: object, worker: object) -> None:
    """Block the signals before the master forks (Gunicorn's `pre_fork`)."""
    del server, worker
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def unblock(worker: object) -> None:
    """Unblock the signals; those sent since the fork arrive (Gunicorn's `post_worker_init`)."""
    del worker
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


# Gunicorn has no hook that runs in the master after a fork.
os.register_at_fork(after_in_parent=lambda: unblock(None))
