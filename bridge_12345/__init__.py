"""The hotline 12345: its copies of incidents, and what it answers."""
