"""The store of many processes: one dataset, or many, in PostgreSQL. Only this room knows its SQL, and psycopg.

schema, migrations   which tables there are         database             connections, and those that are lost
datasets             which there are, new ones      layout, loading      a file's text as rows
lookup               what a change asks             writing, committer   changes, many at once
moment, queries      reading at a revision          past, forgetting     what was, and until when
single               what one statement answers     leases               whose turn something is
export               rows as a file's text          saving               the exported file
replacing            another generation of records  following, team      what other processes do
watching             a server that is stopped      complaints           what PostgreSQL says
importing, maintenance   what the operator's commands need
"""
