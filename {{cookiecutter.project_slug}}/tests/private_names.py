"""How a module uses its dependencies, read from its syntax tree: private names, and what it sets.

A name that begins with one underscore is private, and so is a module that has such a part in its path.
Whoever uses one, or assigns to a class, a module or an object of a dependency, is broken by any of its
releases. Objects are told by annotations (`app: Flask`) and by calls of their class (`app = Flask()`).
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

PROJECT = Path(__file__).parents[1]
OURS = frozenset({"app", "conftest", "migrations", "tests", "worker"})
# Hints for type checkers, of names that have no public ones.
HINTS = frozenset({"_typeshed"})
# Public, though they begin so: the names of their fields must not clash (Python's documentation).
NAMED_TUPLE = frozenset({"_asdict", "_fields", "_make", "_replace"})
# A place for an application's own values.
FOR_US = "flask.g."
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PATH = re.compile(r"\w+(\.\w+)+")


def is_private(name: str) -> bool:
    """Tell whether a name begins with an underscore and is no special one."""
    special = name == "_" or name.endswith("__") or name in NAMED_TUPLE
    return name.startswith("_") and not special


def has_private(path: str) -> bool:
    """Tell whether a part of a dotted path is private."""
    return any(map(is_private, path.split(".")))


def is_dependency(path: str) -> bool:
    """Tell whether a dotted path leads into an installed package."""
    root = path.partition(".")[0]
    return bool(root) and root not in OURS | HINTS and root not in sys.stdlib_module_names


def is_set(node: ast.Attribute) -> bool:
    """Tell whether an attribute is given a value or taken away."""
    return not isinstance(node.ctx, ast.Load)


def dotted(node: ast.expr) -> list[str]:
    """Return the names of `a.b.c`, or nothing for any other expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def class_at(path: str) -> type | None:
    """Return the class that a dotted path leads to, or None."""
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None) if module else None
    except ImportError:
        return None
    # Not isinstance(): werkzeug's proxies say there that no request is being served.
    return found if issubclass(type(found), type) else None


# What hints are written with, around the class that they name.
AROUND = frozenset({"Annotated", "ClassVar", "Final", "Optional"})


def hinted(node: ast.expr | None) -> ast.expr | None:
    """Return the class in a hint: of `"C"`, `C | None`, `C[int]` and the like it is `C`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return hinted(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp):
        return hinted(node.left)
    if isinstance(node, ast.Tuple):
        return hinted(node.elts[0])
    if isinstance(node, ast.Subscript):
        return hinted(node.value) if AROUND.isdisjoint(dotted(node.value)) else hinted(node.slice)
    return node


class Module:
    """One module of this service."""

    def __init__(self, place: str, text: str) -> None:
        """Parse a text; its place is its path from the project's folder."""
        self.place = place
        self.name = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.tree = ast.parse(text)
        self.imported: dict[str, str] = {}
        """What is imported, by the name that it has here."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    known = alias.asname or alias.name.partition(".")[0]
                    self.imported[known] = alias.name if alias.asname else known
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def defined(self) -> set[str]:
        """Return every private name that is given a meaning here."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
        return set(filter(is_private, found))

    def resolved(self, node: ast.expr | None, objects: Mapping[str, str]) -> str:
        """Return the dotted path of an expression through what is imported; "" for any other."""
        first, *rest = (dotted(node) if node else []) or [""]
        start = objects.get(first) or self.imported.get(first, "")
        return ".".join([start, *rest]) if start else ""

    def objects(self, scope: ast.AST) -> dict[str, str]:
        """Return the classes of what a function or module has names for, if it can be told."""
        found: dict[str, str] = {}
        for node in ast.walk(scope):
            if isinstance(node, ast.arg):
                self._learn(found, node.arg, hinted(node.annotation))
        for node in ast.walk(scope):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self._learn(found, node.target.id, hinted(node.annotation))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                if isinstance(node.value, ast.Call):
                    self._learn(found, node.targets[0].id, node.value.func)
                elif dotted(node.value)[:1] and dotted(node.value)[0] in found:
                    found[node.targets[0].id] = self.resolved(node.value, found)
        return found

    def _learn(self, found: dict[str, str], name: str, kind: ast.expr | None) -> None:
        path = self.resolved(kind, {})
        if path and class_at(path):
            found[name] = path

    def uses(self, ours: AbstractSet[str]) -> Iterator[tuple[str, str]]:
        """Name each use of what is private and each assignment, and say where it is.

        Private attributes of objects that cannot be told are a dependency's unless they are ours.
        """
        seen: set[int] = set()
        scopes = [node for node in ast.walk(self.tree) if isinstance(node, FUNCTIONS)]
        for scope in [*reversed(scopes), self.tree]:
            objects = self.objects(scope)
            for node in ast.walk(scope):
                if id(node) not in seen:
                    seen.add(id(node))
                    for what in self._in(node, objects, ours):
                        yield what, f"{self.place}:{getattr(node, 'lineno', 0)}"

    def _in(
        self, node: ast.AST, objects: Mapping[str, str], ours: AbstractSet[str]
    ) -> Iterator[str]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            paths = [f"{start}{alias.name}" for alias in node.names]
            yield from (path for path in paths if is_dependency(path) and has_private(path))
        elif isinstance(node, ast.ClassDef):
            yield from self._overridden(node)
        elif isinstance(node, ast.Attribute):
            path = self.resolved(node, objects)
            if is_private(node.attr) and (is_dependency(path) if path else node.attr not in ours):
                yield path or f"?.{node.attr}"
            elif is_set(node) and is_dependency(path) and not path.startswith(FOR_US):
                yield f"{path} ="
        elif isinstance(node, ast.Call):
            yield from self._by_name(node, objects, ours)
        elif isinstance(node, ast.Constant) and PATH.fullmatch(str(node.value)):
            root = str(node.value).partition(".")[0]
            if has_private(str(node.value)) and root in sys.modules and is_dependency(root):
                yield str(node.value)

    def _overridden(self, node: ast.ClassDef) -> Iterator[str]:
        """Find what a class has under a private name that a dependency's class has given already."""
        members = [each.name for each in node.body if isinstance(each, FUNCTIONS)]
        for each in node.body:
            targets = each.targets if isinstance(each, ast.Assign) else []
            targets = [each.target] if isinstance(each, ast.AnnAssign) else targets
            members += [target.id for target in targets if isinstance(target, ast.Name)]
        for base in node.bases:
            kind = hinted(base)
            path = self.resolved(kind, {}) or ".".join([self.name, *dotted(kind)] if kind else [])
            for owner in reversed(getattr(class_at(path), "__mro__", ())):
                if is_dependency(owner.__module__):
                    found = [name for name in members if is_private(name) and name in vars(owner)]
                    yield from (f"{owner.__module__}.{owner.__qualname__}.{name}" for name in found)
                    members = [name for name in members if name not in found]

    def _by_name(
        self, node: ast.Call, objects: Mapping[str, str], ours: AbstractSet[str]
    ) -> Iterator[str]:
        """Look at `getattr(object, name)` and its likes; pytest's may set what is public for a test."""
        function = dotted(node.func)
        if function[-1:] not in (["getattr"], ["setattr"], ["delattr"]):
            return
        owner, name, *_rest = [*node.args, *node.args]  # pytest's may have but one, a dotted path
        path = self.resolved(owner, objects)
        text = str(name.value) if isinstance(name, ast.Constant) else "*"
        if is_private(text):
            if is_dependency(path) if path else text not in ours:
                yield f"{path or '?'}.{text}"
        elif path and is_dependency(path) and function in (["setattr"], ["delattr"]):
            yield f"{path}.{text} ="


def modules() -> list[Module]:
    """Read every module of this service but the one with examples of what is found."""
    folders = [PROJECT / name for name in ("app", "migrations", "tests")]
    paths = [*PROJECT.glob("*.py"), *(path for each in folders for path in each.rglob("*.py"))]
    return [
        Module(path.relative_to(PROJECT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(paths)
        if path.name != "test_private_names.py"
    ]


def uses(read: list[Module]) -> dict[str, list[str]]:
    """Return every use of what is private in a dependency and every assignment, with its places."""
    ours = {name for module in read for name in module.defined()}
    found: dict[str, list[str]] = {}
    for module in read:
        for what, where in module.uses(ours):
            found.setdefault(what, []).append(where)
    return found
