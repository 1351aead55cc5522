"""The store of many processes: one dataset, or many, in PostgreSQL. Only this room knows SQL of that and psycopg.

address     the dataset's address                 schema, migrations   which tables there are
database    connections, and those that are lost  layout, loading      a file's text as rows
lookup      what a change asks                    writing, committer   changes, many at once
queries     lists                                 past                 what was
export      rows as a file's text                 saving               the exported file, and whose turn it is
following   changes of other processes
"""
