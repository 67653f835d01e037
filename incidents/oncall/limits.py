"""How large a rotation may grow: the API and the console's form keep the same limits."""

from __future__ import annotations

MOST_LAYERS = 20
MOST_MEMBERS = 100
MOST_RESTRICTIONS = 50
# A year, so that a shift stays something that a person can see the end of.
MOST_LENGTH = {"hour": 8760, "day": 366, "week": 53}
# Years in which a time can lie; at the ends of the calendar a shift could not be counted on.
FIRST_YEAR, LAST_YEAR = 1970, 9000
