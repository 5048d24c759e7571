"""Typed settings from the environment and from files, validated before anything starts."""

from app.core.config.settings import (
    PROJECT_SLUG,
    CoreSettings,
    Environment,
    InvalidSettings,
    Names,
    required_in_production,
    split,
)

__all__ = [
    "PROJECT_SLUG",
    "CoreSettings",
    "Environment",
    "InvalidSettings",
    "Names",
    "required_in_production",
    "split",
]
