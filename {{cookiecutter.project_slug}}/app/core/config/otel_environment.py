"""Sanitise the environment variables that OpenTelemetry's SDK reads itself, before it is imported.

For an invalid number the specification asks for a warning and the default
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). The SDK raises
for some of them, at import or at the first span, so they are removed before it is imported. So are
the variables for traces only where a setting covers all signals: the SDK would bypass the setting,
and log headers that it cannot parse.
"""

import os
from collections.abc import MutableMapping

LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
)
QUEUE, BATCH = "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
BATCHES = (QUEUE, BATCH, "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT")
DEFAULT_BATCH = 512
FOR_TRACES = {
    f"OTEL_EXPORTER_OTLP_TRACES_{name}": f"OTEL_EXPORTER_OTLP_{name}"
    for name in ("CERTIFICATE", "ENDPOINT", "HEADERS")
}


def clean(environment: MutableMapping[str, str]) -> list[str]:
    """Remove variables that this service or the SDK cannot use; return one sentence for each."""
    found = [
        f"{name} is ignored: set {instead}."
        for name, instead in FOR_TRACES.items()
        if environment.pop(name, "")
    ]
    for name, least in [*((name, 0) for name in LIMITS), *((name, 1) for name in BATCHES)]:
        value = environment.get(name, "unset").strip()
        if _is_number(value, least) or (value == "unset" and least == 0):
            continue
        if environment.pop(name, ""):  # an empty value is unset (section "Parsing empty value")
            found.append(f"{name} is ignored: it must be a whole number, {least} or more.")
    # A batch cannot be larger than the queue.
    if QUEUE in environment:
        batch = min(int(environment.get(BATCH, DEFAULT_BATCH)), int(environment[QUEUE]))
        environment[BATCH] = str(batch)
    return found


def _is_number(value: str, least: int) -> bool:
    return value.isascii() and value.isdigit() and int(value) >= least


IGNORED = tuple(clean(os.environ))
