"""OpenTelemetry's environment variables that the SDK reads by itself, made fit before it is imported.

The specification asks for a warning, and for the default in place of a number that is none
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). The SDK raises
for some, at import or at the first span, so they are taken away before it is imported. So are the
variables for traces alone that have a setting for all signals: the SDK would read one past the
settings, and log the headers that it cannot parse.
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
    """Take away what this service or the SDK would not take, and say so, one sentence each."""
    found = [
        f"{name} is ignored: set {instead}."
        for name, instead in FOR_TRACES.items()
        if environment.pop(name, "")
    ]
    for name, least in [*((name, 0) for name in LIMITS), *((name, 1) for name in BATCHES)]:
        value = environment.get(name, "unset").strip()
        if _is_number(value, least) or (value == "unset" and least == 0):
            continue
        if environment.pop(name, ""):  # an empty one is none (section "Parsing empty value")
            found.append(f"{name} is ignored: it must be a whole number, {least} or more.")
    # No batch can be larger than the queue that it is taken from.
    if QUEUE in environment:
        batch = min(int(environment.get(BATCH, DEFAULT_BATCH)), int(environment[QUEUE]))
        environment[BATCH] = str(batch)
    return found


def _is_number(value: str, least: int) -> bool:
    return value.isascii() and value.isdigit() and int(value) >= least


IGNORED = tuple(clean(os.environ))
