"""Business questions as SQL views, one text for PostgreSQL and for DuckDB over the lake.

`rollups.sql` counts payments by hour, day and month; `views.sql` answers the questions from these counts.
Whoever runs them provides the tables that they name.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from ringfence.adapters.questions.statements import parse

_FOLDER = files(__name__)

ROLLUPS: Final = parse((_FOLDER / "rollups.sql").read_text("utf-8"))
"""By table the statement that counts the rows of `counted_payments` for it.

`counted_payments` has the columns of `transactions`, and per row `counted` (1, or 0 where it has been
counted before) and `fraud` (1, or -1 where a label took the fraud back).
"""

LAKE: Final = parse((_FOLDER / "lake.sql").read_text("utf-8"))
"""By name what DuckDB makes of the analysis tables, for the rollups and views to be made of."""

VIEWS: Final = parse((_FOLDER / "views.sql").read_text("utf-8"))
"""By name the statement of each view, in an order in which they can be made."""
