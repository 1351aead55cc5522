"""One change: what is asked for, what it becomes, what is kept of it. Where it is stored is not known here."""
