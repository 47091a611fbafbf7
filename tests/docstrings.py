"""The docstrings of a module, read from its source: compiled classes do not keep theirs."""

import ast
from itertools import pairwise
from pathlib import Path

import mqttproto


def _classes(module: str) -> dict[str, ast.ClassDef]:
    path = Path(mqttproto.__file__).parent.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def of_classes(module: str) -> dict[str, str]:
    """The docstring of each class of a module, empty where there is none.

    :param module: its name within the package, for instance ``protocol.events``.
    """
    return {name: ast.get_docstring(node) or "" for name, node in _classes(module).items()}


def of_members(module: str, name: str) -> dict[str, str]:
    """What stands behind the assignments in a class, such as the members of an enumeration."""
    body = _classes(module)[name].body
    return {
        node.targets[0].id: str(following.value.value)
        for node, following in pairwise(body)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
    }
