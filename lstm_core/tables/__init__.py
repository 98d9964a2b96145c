"""Tables that a user brings as CSV: `read` makes a table of any bytes, `column` a series of one of its columns."""

from lstm_core.tables.choosing import Chosen, Missing, column, first
from lstm_core.tables.reading import Column, Table, read

__all__ = ["Chosen", "Column", "Missing", "Table", "column", "first", "read"]
