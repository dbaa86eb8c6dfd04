"""Every schema that a journal ever had, as alembic's steps from one to the next."""
