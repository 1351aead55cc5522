"""The dataset: its text, its records, the rules, and the manager that changes and saves it."""
