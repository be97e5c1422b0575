"""Measured tables to observations: CSV files as people publish them, and the forms that say what their columns mean.

A form (``*.table.yaml``) gives columns their roles, units and metrics; any table that has the columns of a form is read
by it, without code. What cannot be read is told with its line.
"""

from aios.tables.form import TableForm
from aios.tables.loading import load_forms
from aios.tables.reading import Counts, Reading, read_table

__all__ = ["Counts", "Reading", "TableForm", "load_forms", "read_table"]
