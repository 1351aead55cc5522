"""The store of many processes: one dataset, or many, in PostgreSQL. Only this room knows its SQL, and psycopg.

schema, migrations   which tables there are         database             connections, and those that are lost
datasets             which there are, new ones      layout, loading      a file's text as rows
lookup, wishes       what a change asks             committer            changes, many at once
writing, adding      what a change writes           past, forgetting     what was, and until when
moment, queries      reading at a revision          leases               whose turn something is
single               what one statement answers     watching             a server that is stopped
export               rows as a file's text          saving               the exported file
replacing            another generation of records  following, team      what other processes do
complaints           what PostgreSQL says           importing, maintenance   what the operator's commands need
"""
