-- One chunk a day, made by TimescaleDB as rows arrive. `at` leads the keys and indexes that 0001 made.

SELECT create_hypertable('reading', by_range('at', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('detection', by_range('at', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('candidate', by_range('at', INTERVAL '1 day'), create_default_indexes => false);
