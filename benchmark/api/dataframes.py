"""pandas, which only data frames need."""

from __future__ import annotations

from typing import Any

from benchmark.errors import UserError


def require_pandas() -> Any:
    """The module pandas.

    Raises
    ------
    UserError
        It is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise UserError("data frames need pandas: pip install 'hear-plugins[pandas]'") from None
    return pandas
