"""The shared middle: what things are called, how they travel, where they are kept."""
