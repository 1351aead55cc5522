"""Changes of the tables, one after the other, as plain SQL; Alembic runs them."""
