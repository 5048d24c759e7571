"""Stop signals that arrive while a Gunicorn worker starts."""

import signal
import threading

from app.core.process import stop_signals


def test_a_signal_that_comes_before_a_worker_can_handle_it_is_not_lost() -> None:
    calls: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda *_: calls.append("the master's handler"))
    try:
        stop_signals.block(None, None)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda *_: calls.append("the worker's handler"))
        stop_signals.unblock(None)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, stop_signals.SIGNALS)
        signal.signal(signal.SIGTERM, before)
    assert calls == ["the worker's handler"]
