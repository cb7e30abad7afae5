-- What was measured, what was claimed, and what was weighed.
--
-- The key carries the time from the message's content, so that a repeat lands on its first copy in whatever
-- partition that is. 0004 cuts these tables into days; until then, and on every engine, the columns are these.
-- No default for `purpose` anywhere: a row whose writer forgot it must fail, not ring.

CREATE TABLE reading (
    id          text NOT NULL,
    site        text NOT NULL,
    device      text NOT NULL,
    kind        text NOT NULL,
    metric      text NOT NULL,
    value       double precision NOT NULL CHECK (value > '-Infinity' AND value < 'Infinity'),
    unit        text NOT NULL DEFAULT '',
    at          timestamptz NOT NULL,
    clock       text NOT NULL CHECK (clock IN ('device', 'hub')),
    device_at   timestamptz,
    arrived_at  timestamptz NOT NULL,
    sequence    bigint,
    place       text NOT NULL DEFAULT '',
    registered  boolean NOT NULL DEFAULT true,
    purpose     text NOT NULL,
    PRIMARY KEY (at, id)
);
CREATE INDEX ON reading (device, metric, at DESC);
CREATE INDEX ON reading (site, at DESC);

CREATE TABLE detection (
    id          text NOT NULL,
    site        text NOT NULL,
    at          timestamptz NOT NULL,
    detector    text NOT NULL,
    status      text NOT NULL CHECK (status IN ('alarm', 'suspected', 'clear')),
    condition   text NOT NULL,
    level       text NOT NULL,
    kind        text NOT NULL,
    subject     text NOT NULL,
    place       text NOT NULL DEFAULT '',
    start_at    timestamptz NOT NULL,
    end_at      timestamptz NOT NULL,
    confidence  double precision NOT NULL,
    rule        text NOT NULL DEFAULT '',
    reason      text NOT NULL DEFAULT '',
    body        jsonb NOT NULL,
    revision    bigint NOT NULL DEFAULT 0,
    purpose     text NOT NULL,
    PRIMARY KEY (at, id)
);
CREATE INDEX ON detection (site, at DESC);
CREATE INDEX ON detection (condition, at DESC);

CREATE TABLE candidate (
    id           text NOT NULL,
    site         text NOT NULL,
    at           timestamptz NOT NULL,
    detector     text NOT NULL,
    code_version text NOT NULL,
    revision     bigint NOT NULL DEFAULT 0,
    kind         text NOT NULL,
    subject      text NOT NULL,
    place        text NOT NULL DEFAULT '',
    start_at     timestamptz NOT NULL,
    end_at       timestamptz NOT NULL,
    body         jsonb NOT NULL,
    purpose      text NOT NULL,
    PRIMARY KEY (at, id)
);
CREATE INDEX ON candidate (detector, subject, at DESC);
CREATE INDEX ON candidate (site, at DESC);
