-- What the hub knows of itself: who makes progress, who was heard, which settings hold, what was kept as proof.

CREATE TABLE progress (
    role      text NOT NULL,
    instance  text NOT NULL,
    at        timestamptz NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (role, instance)
);

CREATE TABLE device_seen (
    device         text PRIMARY KEY,
    site           text NOT NULL,
    kind           text NOT NULL,
    place          text NOT NULL DEFAULT '',
    registered     boolean NOT NULL DEFAULT true,
    last_at        timestamptz NOT NULL,
    last_arrived   timestamptz NOT NULL,
    last_sequence  bigint,
    gaps           bigint NOT NULL DEFAULT 0
);
CREATE INDEX ON device_seen (site);

CREATE TABLE settings_revision (
    number    bigint PRIMARY KEY,
    at        timestamptz NOT NULL,
    author    text NOT NULL,
    reason    text NOT NULL DEFAULT '',
    digest    text NOT NULL,
    body      jsonb NOT NULL,
    accepted  boolean NOT NULL DEFAULT true
);

-- One row: whether the files on the disk are what is in force, and if not, every mistake in them.
CREATE TABLE settings_state (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    last_ok     boolean NOT NULL,
    mistakes    jsonb NOT NULL DEFAULT '[]',
    checked_at  timestamptz NOT NULL
);

CREATE TABLE settings_applied (
    role      text NOT NULL,
    instance  text NOT NULL,
    number    bigint NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (role, instance)
);

CREATE TABLE selftest (
    id           text PRIMARY KEY,
    started_at   timestamptz NOT NULL,
    stages       jsonb NOT NULL DEFAULT '{}',
    finished_at  timestamptz
);
CREATE INDEX ON selftest (started_at DESC);

CREATE TABLE detector_state (
    detector  text NOT NULL,
    subject   text NOT NULL,
    at        timestamptz NOT NULL,
    position  jsonb NOT NULL,
    body      bytea NOT NULL,
    PRIMARY KEY (detector, subject)
);

CREATE TABLE evidence (
    id          text PRIMARY KEY,
    incident    text NOT NULL DEFAULT '',
    alert       text NOT NULL DEFAULT '',
    site        text NOT NULL,
    kind        text NOT NULL,
    file        text NOT NULL DEFAULT '',
    media_type  text NOT NULL DEFAULT '',
    bytes       bigint NOT NULL DEFAULT 0,
    sha256      text NOT NULL DEFAULT '',
    from_at     timestamptz,
    to_at       timestamptz,
    state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'ready', 'failed')),
    reason      text NOT NULL DEFAULT '',
    codec       text NOT NULL DEFAULT '',
    clock       text NOT NULL DEFAULT 'hub',
    held        boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    preview_of  text REFERENCES evidence (id),
    CHECK (state <> 'ready' OR (sha256 <> '' AND file <> ''))
);
CREATE INDEX ON evidence (incident);
CREATE INDEX ON evidence (alert);
CREATE INDEX ON evidence (created_at) WHERE state = 'pending';
CREATE INDEX ON evidence (created_at) WHERE state = 'ready' AND NOT held;
CREATE INDEX ON evidence (preview_of) WHERE preview_of IS NOT NULL;

CREATE TABLE evidence_view (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    evidence  text NOT NULL,
    by        text NOT NULL,
    channel   text NOT NULL,
    at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON evidence_view (evidence, at);
