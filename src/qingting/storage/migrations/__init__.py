"""The tables' history: one numbered step per release that changes them, run by Alembic."""
