class Context:
    id: str
    retries: int

class Task:
    name: str
    request: Context
    def retry(self, *, countdown: float) -> Exception: ...
