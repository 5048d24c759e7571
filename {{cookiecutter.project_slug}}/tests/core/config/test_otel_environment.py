import pytest

from app.core.config import otel_environment


def test_an_invalid_number_is_removed_with_a_warning() -> None:
    environment = {
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many",
        "OTEL_SPAN_EVENT_COUNT_LIMIT": "-1",
        "OTEL_SPAN_LINK_COUNT_LIMIT": "",
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "\u00b2",
        "OTEL_BSP_MAX_QUEUE_SIZE": "0",
        "OTEL_BSP_SCHEDULE_DELAY": "1s",
    }
    names = [name for name, value in environment.items() if value]

    sentences = otel_environment.clean(environment)

    assert environment == {}
    assert sorted(sentence.split()[0] for sentence in sentences) == sorted(names)


def test_numbers_that_fit_are_kept() -> None:
    environment = {
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "unset",
        "OTEL_SPAN_EVENT_COUNT_LIMIT": "0",
        "OTEL_BSP_EXPORT_TIMEOUT": " 5000 ",
    }
    before = dict(environment)

    assert otel_environment.clean(environment) == []
    assert environment == before


@pytest.mark.parametrize(
    ("queue", "batch", "kept"),
    [("100", None, "100"), ("100", "200", "100"), ("4096", None, "512"), ("4096", "1024", "1024")],
)
def test_a_batch_is_no_larger_than_its_queue(queue: str, batch: str | None, kept: str) -> None:
    environment = {"OTEL_BSP_MAX_QUEUE_SIZE": queue}
    if batch:
        environment["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = batch

    assert otel_environment.clean(environment) == []
    assert environment["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] == kept


def test_variables_for_traces_alone_are_removed_with_a_warning() -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "hush",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "",
    }

    assert otel_environment.clean(environment) == [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is ignored: set OTEL_EXPORTER_OTLP_ENDPOINT.",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS is ignored: set OTEL_EXPORTER_OTLP_HEADERS.",
    ]
    assert environment == {}
