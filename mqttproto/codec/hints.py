"""Hints to the compiler, which interpreted code takes no notice of.

mypyc knows them as ``mypy_extensions.mypyc_attr``; that package is not needed at run time.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

__all__ = ["mypyc_attr"]

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:
    _T = TypeVar("_T")

    def mypyc_attr(**_: object) -> Callable[[_T], _T]:
        """Take a hint about a class, which is only read when the class is compiled."""
        return lambda cls: cls
