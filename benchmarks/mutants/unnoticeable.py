"""What is not mutated: no test could notice it, or only one that repeats the source.

Such mutants always survive, and a score that counts them says little. Strings need no rule: cosmic-ray leaves them.
"""

import ast
import re
from collections.abc import Iterator

Span = tuple[tuple[int, int], tuple[int, int]]
"""From a row and column up to another; rows from 1, columns from 0."""

_ARITHMETIC, _BITS = "Add|Sub|Mul|Div|FloorDiv|Mod|Pow", "RShift|LShift|BitOr|BitAnd|BitXor"
_VALUES, _IDENTITY = "Eq|NotEq|Lt|LtE|Gt|GtE", "Is|IsNot"
OPERATORS = re.compile(
    rf"core/ReplaceBinaryOperator_(?:(?:{_ARITHMETIC})_(?:{_BITS})|(?:{_BITS})_(?:{_ARITHMETIC}))"
    rf"|core/ReplaceComparisonOperator_(?:(?:{_VALUES})_(?:{_IDENTITY})|(?:{_IDENTITY})_(?:{_VALUES}))"
)
"""Whatever the tests, Python itself notices `0.5 << x` and `None < x`; and equal values are mostly one object."""


def spans(source: str) -> Iterator[Span]:
    """The parts of a module that are left as they are.

    - Signatures but for their defaults, and annotations: Python runs on whatever they say.
    - `if TYPE_CHECKING` and `if __name__ == "__main__"`: no test goes there.
    - What is logged, and f-strings in an error: text for people.
    - Options of a dataclass: `frozen` and `slots` forbid what nobody does.
    - `@torch.no_grad()`: without it the figures are the same.
    - Durations, the constants whose names end in `_S`: no test measures time.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _signature(node)
                yield from (
                    _line(decorator) for decorator in node.decorator_list if "no_grad" in ast.unparse(decorator)
                )
            case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
                yield _span(node)
            case ast.AnnAssign():
                yield _span(node.annotation)
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Compare(left=ast.Name(id="__name__"))):
                yield _span(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "warnings"))):
                yield _span(node)
            case ast.Raise(exc=ast.Call() as error):
                yield from (_span(part) for part in ast.walk(error) if isinstance(part, ast.JoinedStr))
            case ast.ClassDef():
                yield from (_span(option) for option in node.decorator_list if isinstance(option, ast.Call))
            case ast.Assign(targets=[target], value=ast.Constant() | ast.Tuple() | ast.BinOp()):
                if all(name.id.endswith("_S") for name in ast.walk(target) if isinstance(name, ast.Name)):
                    yield _span(node)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Span]:
    """From `def` to the body, and of it what lies between the defaults."""
    defaults = [default for default in (*node.args.defaults, *node.args.kw_defaults) if default is not None]
    start = (node.lineno, node.col_offset)
    for begin, end in sorted(map(_span, defaults)):
        yield start, begin
        start = end
    yield start, _span(node.body[0])[0]


def _line(node: ast.expr) -> Span:
    return (node.lineno, 0), (node.lineno + 1, 0)


def _span(node: ast.expr | ast.stmt) -> Span:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
