class Reject(Exception):  # noqa: N818  Celery calls it so
    def __init__(self, reason: object = ..., *, requeue: bool = ...) -> None: ...

class Retry(Exception): ...  # noqa: N818  Celery calls it so
