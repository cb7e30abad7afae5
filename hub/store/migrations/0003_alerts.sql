-- Alerts, the incidents people work on, whom we promised to tell, and the people themselves.

CREATE TABLE alert (
    id          text PRIMARY KEY,
    site        text NOT NULL,
    kind        text NOT NULL,
    level       text NOT NULL,
    condition   text NOT NULL,
    subject     text NOT NULL,
    place       text NOT NULL DEFAULT '',
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz,
    status      text NOT NULL DEFAULT 'alarm' CHECK (status IN ('alarm', 'suspected')),
    confidence  double precision NOT NULL DEFAULT 1,
    reason      text NOT NULL DEFAULT '',
    incident    text NOT NULL DEFAULT '',
    purpose     text NOT NULL,
    body        jsonb NOT NULL
);
CREATE INDEX ON alert (site, began_at DESC);
CREATE INDEX ON alert (condition, began_at DESC);
CREATE INDEX ON alert (incident);
CREATE INDEX ON alert (condition) WHERE ended_at IS NULL;

-- Which detections an alert was made of. A detection that comes again finds itself here and changes nothing.
CREATE TABLE alert_detection (
    detection  text PRIMARY KEY,
    alert      text NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX ON alert_detection (alert);
CREATE INDEX ON alert_detection (at);

CREATE TABLE incident (
    id               text PRIMARY KEY,
    number           text NOT NULL UNIQUE,
    site             text NOT NULL,
    state            text NOT NULL,
    priority         integer NOT NULL CHECK (priority BETWEEN 1 AND 4),
    kind             text NOT NULL,
    title            text NOT NULL,
    place            text NOT NULL DEFAULT '',
    grid             text NOT NULL DEFAULT '',
    opened_at        timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    version          bigint NOT NULL,
    acknowledged_by  text NOT NULL DEFAULT '',
    acknowledged_at  timestamptz,
    assigned_to      text NOT NULL DEFAULT '',
    merged_into      text NOT NULL DEFAULT '',
    purpose          text NOT NULL,
    body             jsonb NOT NULL
);
CREATE INDEX ON incident (site, opened_at DESC);
CREATE INDEX ON incident (opened_at DESC);
CREATE INDEX ON incident (site, updated_at DESC) WHERE state NOT IN ('closed', 'false_alarm');

-- The last short number given out on a day of the city's calendar.
CREATE TABLE incident_number (
    day   date PRIMARY KEY,
    last  integer NOT NULL
);

-- Why an alert belongs to an incident. What a person cut stays cut: the row stays and says who undid it.
CREATE TABLE incident_link (
    alert      text NOT NULL,
    incident   text NOT NULL,
    rule       text NOT NULL,
    reason     text NOT NULL,
    by_whom    text NOT NULL DEFAULT '',
    made_at    timestamptz NOT NULL,
    undone_at  timestamptz,
    undone_by  text NOT NULL DEFAULT '',
    PRIMARY KEY (alert, incident)
);
CREATE INDEX ON incident_link (incident);

CREATE TABLE incident_step (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident  text NOT NULL,
    at        timestamptz NOT NULL,
    who       text NOT NULL,
    channel   text NOT NULL DEFAULT '',
    action    text NOT NULL,
    reason    text NOT NULL DEFAULT '',
    details   jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON incident_step (incident, id);

CREATE TABLE command_seen (
    id  text PRIMARY KEY,
    at  timestamptz NOT NULL
);
CREATE INDEX ON command_seen (at);

CREATE TABLE timer (
    id        text PRIMARY KEY,
    site      text NOT NULL,
    incident  text NOT NULL,
    what      text NOT NULL,
    due_at    timestamptz NOT NULL,
    fired_at  timestamptz,
    body      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON timer (due_at) WHERE fired_at IS NULL;
CREATE INDEX ON timer (incident);

-- Promises to tell someone, and records to publish (channel 'bus', recipient the topic's name). `lane` orders: a row
-- waits for the earlier ones of its lane. `frozen` is what was first sent: a repeat under one id is the same bytes.
CREATE TABLE outbox (
    id             text PRIMARY KEY,
    seq            bigint GENERATED ALWAYS AS IDENTITY,
    lane           text NOT NULL DEFAULT '',
    frozen         text NOT NULL DEFAULT '',
    incident       text NOT NULL DEFAULT '',
    site           text NOT NULL,
    channel        text NOT NULL,
    recipient      text NOT NULL DEFAULT '',
    kind           text NOT NULL,
    priority       integer NOT NULL,
    body           jsonb NOT NULL,
    created_at     timestamptz NOT NULL,
    next_at        timestamptz NOT NULL,
    tries          integer NOT NULL DEFAULT 0,
    state          text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'refused', 'dead', 'merged')),
    sent_at        timestamptz,
    answer         text NOT NULL DEFAULT '',
    claimed_by     text NOT NULL DEFAULT '',
    claimed_until  timestamptz,
    purpose        text NOT NULL
);
CREATE INDEX ON outbox (channel, next_at) WHERE state = 'waiting';
CREATE INDEX ON outbox (lane, seq) WHERE state = 'waiting';
CREATE INDEX ON outbox (incident);

CREATE TABLE work_order (
    id          text PRIMARY KEY,
    incident    text NOT NULL,
    channel     text NOT NULL,
    order_no    text NOT NULL DEFAULT '',
    status      text NOT NULL DEFAULT '',
    updated_at  timestamptz NOT NULL,
    body        jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON work_order (incident);
CREATE INDEX ON work_order (channel, order_no);

CREATE TABLE account (
    name           text PRIMARY KEY,
    password_hash  text NOT NULL,
    role           text NOT NULL CHECK (role IN ('viewer', 'operator', 'engineer', 'admin')),
    created_at     timestamptz NOT NULL DEFAULT now(),
    disabled       boolean NOT NULL DEFAULT false
);

-- `id` is a hash of the cookie: who reads the store can't sign in with what it holds.
CREATE TABLE session (
    id          text PRIMARY KEY,
    account     text NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    csrf        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    last_seen   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON session (account);
CREATE INDEX ON session (expires_at);

CREATE TABLE api_token (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    role        text NOT NULL CHECK (role IN ('viewer', 'operator', 'engineer', 'admin')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz
);

CREATE TABLE audit (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    who      text NOT NULL,
    action   text NOT NULL,
    subject  text NOT NULL DEFAULT '',
    details  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON audit (at DESC);
CREATE INDEX ON audit (subject, at DESC);
