"""People: users, their roles, passwords, sessions and tokens. HTTP and Flask are not known here."""
