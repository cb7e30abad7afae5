"""The steps from an empty database to this version's tables: `0007_what.sql`, numbered without gaps.

A step that was ever applied anywhere is never changed: add the next one. Where TimescaleDB needs something else,
write `0007_what.native.sql` and `0007_what.timescale.sql`. Each runs in a transaction of its own.
"""
