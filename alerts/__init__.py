"""From claims to incidents, and to the people who must act."""
