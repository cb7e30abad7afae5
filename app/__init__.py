"""The command line and how everything is put together."""
