-- The books of what the log handed over to this database, one page per partition.
--
-- Written in the transaction that stores the records themselves, so that no death of a process makes them disagree:
-- offsets from `first` up to `next` are accounted for, as rows that were new (`stored`) or here before (`repeats`).
-- What is in neither was dead-lettered, or is lost (hub/ledger.py).

CREATE TABLE ledger (
    topic      text NOT NULL,
    partition  integer NOT NULL,
    first      bigint NOT NULL,
    next       bigint NOT NULL CHECK (next >= first),
    stored     bigint NOT NULL,
    repeats    bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);
