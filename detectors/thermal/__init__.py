"""The parts of the thermal fire detector: what is hot, whether it stays, rises or grows, and what that means."""
