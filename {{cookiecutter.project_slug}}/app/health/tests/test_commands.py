from app.health.commands import probes
from app.health.settings import HealthSettings


def test_the_probes_are_described_by_the_settings() -> None:
    def described(**values: object) -> str:
        return "\n".join(probes(HealthSettings.model_validate({"app_env": "testing", **values})))

    assert "at port 8081 every 10 s, timeout 5 s; restart after 6 failures" in described(
        liveness_port=8081
    )
    assert "set LIVENESS_PORT" in described()
    assert "/health/ready at port 8000 every 5 s, timeout 4 s" in described(
        readiness_timeout_seconds=2.5
    )
    assert HealthSettings.model_fields["liveness_port"].default is None
