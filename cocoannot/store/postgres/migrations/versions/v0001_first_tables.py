"""The first tables. Every one but `dataset` begins with `dataset_id`, and no statement ever touches two datasets."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE dataset (
    dataset_id int4 PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row a dataset. Who changes the dataset holds its lock, so that changes are made one after the other.
CREATE TABLE head (
    dataset_id int4 PRIMARY KEY,
    lineage text NOT NULL,
    content int4 NOT NULL,                 -- the generation of records that counts; a replacement makes a new one
    revision int8 NOT NULL,
    file_revision int8 NOT NULL,           -- exported up to here
    floor int8 NOT NULL,                   -- what was before this revision can't be told: the dataset was replaced
    images int8 NOT NULL,
    annotations int8 NOT NULL,
    categories int8 NOT NULL,
    next_image int8 NOT NULL,              -- the id that the next new record gets
    next_annotation int8 NOT NULL,
    next_category int8 NOT NULL,
    image_end int8 NOT NULL,               -- the position that the next record at the end gets
    annotation_end int8 NOT NULL,
    category_end int8 NOT NULL,
    panoptic boolean NOT NULL
) WITH (fillfactor = 10);

-- The file's text without its records.
CREATE TABLE layout (
    dataset_id int4,
    content int4,
    skeleton text NOT NULL,
    sections text NOT NULL,                -- JSON: how records are written, and what stands around them
    PRIMARY KEY (dataset_id, content)
);

-- Top-level values that are others than in the skeleton.
CREATE TABLE top_value (
    dataset_id int4,
    content int4,
    key text COLLATE "C",                  -- as JSON
    value text,                            -- NULL: gone
    PRIMARY KEY (dataset_id, content, key)
);

CREATE TABLE image (
    dataset_id int4,
    content int4,
    position int8,                         -- order in the file
    id int8 NOT NULL,
    revision int8 NOT NULL,                -- of the last change of this record
    annotations int8 NOT NULL,             -- how many it has
    categories int8[] NOT NULL,            -- of its annotations, each once
    sizes int4 NOT NULL,                   -- a bit for each bar of sizes that one of them is in
    status int2 NOT NULL,
    sized boolean NOT NULL,
    file_name text COLLATE "C" NOT NULL,
    lead text,                             -- what stands before it, where that is not what stands between others
    record text NOT NULL,                  -- the JSON text, byte for byte
    PRIMARY KEY (dataset_id, content, position)
) PARTITION BY LIST (dataset_id);          -- one part a dataset, see parts.py

CREATE TABLE category (
    dataset_id int4,
    content int4,
    position int8,
    id int8 NOT NULL,
    revision int8 NOT NULL,
    annotations int8 NOT NULL,
    name text COLLATE "C" NOT NULL,
    lead text,
    record text NOT NULL,
    PRIMARY KEY (dataset_id, content, position)
) WITH (fillfactor = 50);

CREATE TABLE annotation (
    dataset_id int4,
    content int4,
    position int8,
    id int8,                               -- NULL: a panoptic one
    image_id int8,
    category_id int8,
    revision int8 NOT NULL,
    area float4,
    iscrowd boolean NOT NULL,
    lead text,
    record text NOT NULL,
    PRIMARY KEY (dataset_id, content, position)
) PARTITION BY LIST (dataset_id);

CREATE TABLE change (
    dataset_id int4,
    revision int8,
    time float8 NOT NULL,                  -- seconds since 1970, by the database's clock
    actor text COLLATE "C",
    key text COLLATE "C",
    request uuid NOT NULL,                 -- of the actor and the key, or of the attempt
    answer text,                           -- JSON: what a request with a key was answered
    undoes int8,
    replaced text,                         -- JSON: the top-level values that a bulk replacement gave other texts
    PRIMARY KEY (dataset_id, revision),
    UNIQUE (dataset_id, request)
);

-- What changes did, in the order in which they did it.
CREATE TABLE history (
    dataset_id int4,
    revision int8,
    seq int4,
    section int2 NOT NULL,
    id int8 NOT NULL,
    position int8 NOT NULL,
    image_id int8,
    from_image_id int8,                    -- of an annotation that was moved to another image
    place int8,                            -- how many were before it, where it was not added at the end
    lead text,
    before text,
    after text,
    PRIMARY KEY (dataset_id, revision, seq)
);

CREATE TABLE value_history (
    dataset_id int4,
    revision int8,
    seq int4,
    key text NOT NULL,
    before text,
    after text,
    PRIMARY KEY (dataset_id, revision, seq)
);

-- Where the dataset was exported to, and what is there.
CREATE TABLE export (
    dataset_id int4,
    uri text,
    revision int8 NOT NULL,
    size int8 NOT NULL,
    sha256 text NOT NULL,
    next_size int8,                        -- of what is about to replace it
    next_sha256 text,
    saved_at float8 NOT NULL,
    PRIMARY KEY (dataset_id, uri)
);

-- Who works on which image; a database that crashes forgets it.
CREATE UNLOGGED TABLE claim (
    dataset_id int4,
    image_id int8,
    who text COLLATE "C" NOT NULL,
    "user" text COLLATE "C",
    client text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (dataset_id, image_id)
);

-- Who is where; the same.
CREATE UNLOGGED TABLE presence (
    dataset_id int4,
    who text COLLATE "C",
    client text COLLATE "C",
    "user" text COLLATE "C",
    image_id int8,
    editing boolean NOT NULL,
    since float8 NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (dataset_id, who, client)
);

-- Whose turn something is, until then.
CREATE TABLE lease (
    dataset_id int4,
    name text,
    holder text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (dataset_id, name)
);
"""

_INDEXES = """
CREATE INDEX image_id ON image (dataset_id, content, id);
CREATE INDEX image_count ON image (dataset_id, content, annotations, position);
CREATE INDEX image_name ON image (dataset_id, content, file_name, position);
CREATE INDEX image_status ON image (dataset_id, content, status, position);
CREATE INDEX category_id ON category (dataset_id, content, id);
CREATE INDEX annotation_id ON annotation (dataset_id, content, id);
CREATE INDEX annotation_image ON annotation (dataset_id, content, image_id, position);
CREATE INDEX annotation_category ON annotation (dataset_id, content, category_id, position, image_id);
CREATE INDEX annotation_area ON annotation (dataset_id, content, area, image_id);
CREATE INDEX annotation_revision ON annotation (dataset_id, content, revision);
CREATE INDEX change_actor ON change (dataset_id, actor, revision);
CREATE INDEX history_record ON history (dataset_id, section, id, revision);
CREATE INDEX history_image ON history (dataset_id, image_id, revision);
CREATE INDEX history_from_image ON history (dataset_id, from_image_id, revision) WHERE from_image_id IS NOT NULL;
"""


def upgrade() -> None:
    """Make tables and indexes."""
    connection = op.get_bind()
    for statement in (_TABLES + _INDEXES).split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)
