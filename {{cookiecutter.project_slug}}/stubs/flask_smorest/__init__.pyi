# The part of flask-smorest that this service uses; the package ships no type hints.
from collections.abc import Callable, Mapping
from typing import ClassVar, ParamSpec, TypeVar

import flask
import marshmallow as ma
from apispec import APISpec
from webargs.flaskparser import FlaskParser
from werkzeug.routing import BaseConverter

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C", bound=BaseConverter)

class Blueprint(flask.Blueprint):
    ARGUMENTS_PARSER: ClassVar[FlaskParser]
    def __init__(
        self,
        name: str,
        import_name: str,
        *,
        template_folder: str | None = ...,
        url_prefix: str | None = ...,
        description: str = ...,
    ) -> None: ...
    def arguments(
        self, schema: type[ma.Schema] | ma.Schema, *, location: str = ...
    ) -> Callable[[Callable[_P, _R]], Callable[..., _R]]: ...
    def response(
        self,
        status_code: int,
        schema: type[ma.Schema] | ma.Schema | None = ...,
        *,
        description: str | None = ...,
        headers: Mapping[str, Mapping[str, object]] | None = ...,
    ) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
    def alt_response(
        self,
        status_code: int,
        response: str | None = ...,
        *,
        description: str = ...,
        headers: Mapping[str, Mapping[str, object]] | None = ...,
    ) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
    @staticmethod
    def doc(**kwargs: object) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
    description: str
    def register_views_in_doc(
        self,
        api: Api,
        app: flask.Flask,
        spec: APISpec,
        *,
        name: str,
        parameters: list[Mapping[str, object]] | None,
    ) -> None: ...

class _Converter:
    def add_attribute_function(self, function: Callable[..., Mapping[str, object]]) -> None: ...

class _Marshmallow:
    converter: _Converter

class Api:
    DEFAULT_ERROR_RESPONSE_NAME: str
    spec: APISpec
    ma_plugin: _Marshmallow
    def __init__(self, app: flask.Flask, *, spec_kwargs: Mapping[str, object]) -> None: ...
    def register_converter(
        self, converter: type[_C], func: Callable[[_C], Mapping[str, object]]
    ) -> None: ...
