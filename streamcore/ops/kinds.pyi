"""What operators are generic in, for type checkers alone: there is no module of this name at run time."""

from typing import Any

from typing_extensions import TypeVar

Item = TypeVar("Item", bound=Any, default=Any)
"""What comes in; bound to Any, so that pyright takes the parameter of a lambda for Any and not for object."""
Result = TypeVar("Result", default=Any)
"""What comes out."""
Same = TypeVar("Same")
"""What passes through."""
