"""Reads the code for checks whose words no catalogue could know."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("sim", "models") for path in (ROOT / folder).rglob("*.py"))
_MARKS = ("N_", "phrase")
_PLACES = {2: "message", 3: "remedy"}

type Function = ast.FunctionDef | ast.AsyncFunctionDef
type Scope = ast.Module | Function


def templates() -> set[str]:
    """Return every constant text that stands in ``N_`` or ``phrase``."""
    found = set()
    for path in SOURCES:
        tree = ast.parse(path.read_text("utf-8"))
        for name in _MARKS:
            for call in calls(tree, name):
                if call.args and isinstance(call.args[0], ast.Constant):
                    found.add(call.args[0].value)
    return found


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Yield the calls of a function by its bare name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def untold(tree: ast.Module) -> Iterator[str]:
    """Yield line and reason for each message and remedy that cannot be told in another language."""
    reader = _Reader(tree)
    for call in calls(tree, "Check"):
        yield from reader.judged(call, _given(call, _PLACES))
    for call in calls(tree, "replace"):
        words = {word.arg: word.value for word in call.keywords}
        if "message" in words:
            yield from reader.judged(
                call, [words["message"], *([words["remedy"]] if "remedy" in words else [])]
            )


def _given(call: ast.Call, places: dict[int, str]) -> list[ast.expr]:
    """Return the arguments at these places or of these names; a starred one for all of them."""
    for argument in (*call.args, *(word.value for word in call.keywords if word.arg is None)):
        if isinstance(argument, ast.Starred) or argument not in call.args:
            return [argument]
    found = [argument for place, argument in enumerate(call.args) if place in places]
    return found + [word.value for word in call.keywords if word.arg in places.values()]


class _Reader:
    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def judged(self, call: ast.Call, given: list[ast.expr]) -> Iterator[str]:
        for expression in given:
            if why := self.fault(expression, frozenset()):
                yield f"{call.lineno}: {why}: {ast.unparse(expression)}"

    def fault(self, node: ast.expr, seen: frozenset[str]) -> str:
        """Say why an expression cannot be told; an empty text where it can."""
        match node:
            case ast.Constant(value=""):
                return ""
            case ast.Call(func=ast.Name(id=name)) if name in _MARKS:
                return self._marked(node)
            case ast.IfExp(body=body, orelse=other):
                return self.fault(body, seen) or self.fault(other, seen)
            case ast.BoolOp(values=values):
                return next(filter(None, (self.fault(value, seen) for value in values)), "")
            case ast.Attribute(attr="message" | "remedy"):
                return ""
            case ast.Name(id=name):
                if name in seen:  # a template that holds what the name stood for before
                    return ""
                return self._named(node, seen | {name})
        return f"a {type(node).__name__} is not marked"

    def _marked(self, call: ast.Call) -> str:
        """Judge a call of ``N_`` or ``phrase``: one constant text, and a value for each of its places."""
        match call:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(text))]):
                pass
            case _:
                return "its text is no constant"
        if name == "N_":
            return ""
        places = {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
        values = {word.arg: word.value for word in call.keywords}
        if places != set(values):
            return "places and values differ"
        for place, value in values.items():
            if place != "key" and self._holds_words(value):
                return f"the value of {place} holds words"
            match value:
                case ast.Call(func=ast.Name(id=inner)) if inner in _MARKS and (why := self._marked(value)):
                    return why
        return ""

    def _holds_words(self, value: ast.expr) -> bool:
        match value:
            case ast.Constant(value=str(text)):
                return any(letter.isalpha() for letter in text)
            case ast.JoinedStr(values=parts):
                return any(self._holds_words(part) for part in parts if isinstance(part, ast.Constant))
            case ast.IfExp(body=body, orelse=other):
                return self._holds_words(body) or self._holds_words(other)
            case ast.BinOp(left=left, right=right):
                return self._holds_words(left) or self._holds_words(right)
        return False

    def _named(self, name: ast.Name, seen: frozenset[str]) -> str:
        """Judge everything that a name may stand for, in the innermost function that gives it a meaning."""
        scope: ast.AST | None = name
        while scope is not None:
            scope = self.parents.get(scope)
            if not isinstance(scope, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            found = list(self._meanings(scope, name.id))
            if found:
                whys = (why if value is None else self.fault(value, seen) for value, why in found)
                return next(filter(None, whys), "")
        return f"nothing tells what {name.id} is"

    def _meanings(self, scope: Scope, name: str) -> Iterator[tuple[ast.expr | None, str]]:
        """Yield what is bound to a name in a scope, or None and why it cannot be followed."""
        if not isinstance(scope, ast.Module):
            yield from self._arguments(scope, name)
        for node in _own(scope):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        yield from _bound(target, value, name)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    yield from _bound(target, value, name)
                case ast.NamedExpr(target=target, value=value):
                    yield from _bound(target, value, name)
                case ast.AugAssign(target=ast.Name(id=found)) if found == name:
                    yield None, "put together from parts"
                case ast.For(target=target, iter=ast.Tuple(elts=items) | ast.List(elts=items)):
                    for item in items:
                        yield from _bound(target, item, name)
                case ast.For(target=target) | ast.comprehension(target=target):
                    if name in _names(target):
                        yield None, "a loop over something that is not written out"

    def _arguments(self, function: Function, name: str) -> Iterator[tuple[ast.expr | None, str]]:
        """Yield what the calls in the same file pass for an argument."""
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        if name not in names and name not in [argument.arg for argument in function.args.kwonlyargs]:
            return
        place = names.index(name) if name in names else -1
        passed = [given for call in calls(self.tree, function.name) for given in _given(call, {place: name})]
        if not passed:
            yield None, f"nothing in the file passes {name}"
        yield from ((value, "") for value in passed)


def _own(scope: Scope) -> Iterator[ast.AST]:
    """Yield the nodes of a scope without those of functions inside it."""
    waiting: list[ast.AST] = list(scope.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _bound(target: ast.expr, value: ast.expr, name: str) -> Iterator[tuple[ast.expr | None, str]]:
    match target, value:
        case ast.Name(id=found), _:
            if found == name:
                yield value, ""
        case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
            for one, other in zip(targets, values, strict=True):
                yield from _bound(one, other, name)
        case _:
            if name in _names(target):
                yield None, "taken from something that is not written out"


def _names(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
