-- One partition a day, so that forgetting a day is dropping a table; absurd dates land in the default partition.
-- The columns, keys and checks are taken from 0001, which alone says what they are.

ALTER TABLE reading RENAME TO reading_plain;
CREATE TABLE reading (LIKE reading_plain INCLUDING ALL) PARTITION BY RANGE (at);
DROP TABLE reading_plain;
ALTER INDEX reading_pkey1 RENAME TO reading_pkey;
CREATE TABLE reading_default PARTITION OF reading DEFAULT;

ALTER TABLE detection RENAME TO detection_plain;
CREATE TABLE detection (LIKE detection_plain INCLUDING ALL) PARTITION BY RANGE (at);
DROP TABLE detection_plain;
ALTER INDEX detection_pkey1 RENAME TO detection_pkey;
CREATE TABLE detection_default PARTITION OF detection DEFAULT;

ALTER TABLE candidate RENAME TO candidate_plain;
CREATE TABLE candidate (LIKE candidate_plain INCLUDING ALL) PARTITION BY RANGE (at);
DROP TABLE candidate_plain;
ALTER INDEX candidate_pkey1 RENAME TO candidate_pkey;
CREATE TABLE candidate_default PARTITION OF candidate DEFAULT;
