import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core import telemetry
from app.core.process import reference

ROOT = Path(__file__).parents[2]
MODULES = [
    path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / "app").rglob("*.py"))
    if "tests" not in path.relative_to(ROOT).parts
]


def test_each_name_stands_for_one_field() -> None:
    names = [value for value in vars(telemetry).values() if isinstance(value, str)]

    for name in telemetry.FIELDS:
        assert names.count(name) == 1
        assert re.fullmatch(r"[a-z]+(?:[._][a-z]+)*", name), name


def fields(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the names of the fields that code adds to log lines."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            passed = {id(each) for each in passed_as_extra(function)}
            for node in ast.walk(function):
                if isinstance(node, ast.Dict) and id(node) in passed:
                    yield from (key for key in node.keys if key)
                elif isinstance(node, ast.Subscript) and is_fields(node.value, function):
                    yield node.slice


def passed_as_extra(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yield the values that become fields, and those of the variables that are passed."""
    names = variables(function)
    for node in ast.walk(function):
        match node:
            case ast.keyword(arg="extra", value=value):
                yield value
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in names:
                yield value
            case ast.AugAssign(target=ast.Attribute(attr="log_fields"), value=value):
                yield value
            case ast.Call(
                func=ast.Attribute(attr="update", value=ast.Attribute(attr="log_fields")),
                args=[value],
            ):
                yield value
            case _:
                pass


def variables(function: ast.FunctionDef) -> set[str]:
    """Return the names of the variables that are passed as `extra`."""
    return {
        node.value.id
        for node in ast.walk(function)
        if isinstance(node, ast.keyword)
        and node.arg == "extra"
        and isinstance(node.value, ast.Name)
    }


def is_fields(value: ast.expr, function: ast.FunctionDef) -> bool:
    if isinstance(value, ast.Attribute):
        return value.attr == "log_fields"
    return isinstance(value, ast.Name) and value.id in variables(function)


def name_of(key: ast.expr) -> str:
    if isinstance(key, ast.Attribute):
        return str(getattr(telemetry, key.attr))
    assert isinstance(key, ast.Constant), ast.unparse(key)
    return str(key.value)


@pytest.mark.parametrize("module", MODULES)
def test_each_field_of_a_log_line_is_documented(module: str) -> None:
    documented = {row["key"] for row in reference.ROW.finditer((ROOT / "docs/logs.md").read_text())}
    allowed = telemetry.FIELDS.keys() if module.startswith("app/core/") else documented

    written = {name_of(key) for key in fields(ast.parse((ROOT / module).read_text()))}

    assert written <= allowed


def test_fields_are_found() -> None:
    code = """
def place(info):
    extra = {"a": 1}
    extra["b"] = 2
    logger.info("placed", extra=extra)
    logger.info("placed", extra={telemetry.DURATION: 3})
    info.log_fields["c"] = 4
    info.log_fields |= {"d": 5}
    info.log_fields.update({"e": 6})
"""

    assert {name_of(key) for key in fields(ast.parse(code))} == {
        "a",
        "b",
        "c",
        "d",
        "e",
        "duration",
    }
