"""Signals that tell a Gunicorn worker to stop, held back while it starts.

Between the fork and its own handlers a worker has the master's, which would take a signal and do
nothing with it; the master would then wait for `graceful_timeout`. Gunicorn's hooks block these
signals before the fork, and let in what came once the worker can handle it.
"""

import os
import signal

SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


def hold(server: object, worker: object) -> None:
    """Block the signals: the master forks next (Gunicorn's `pre_fork`)."""
    del server, worker
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def let_in(worker: object) -> None:
    """Take the signals that came since the fork (Gunicorn's `post_worker_init`)."""
    del worker
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


# Gunicorn has no hook for the master once it has forked.
os.register_at_fork(after_in_parent=lambda: let_in(None))
