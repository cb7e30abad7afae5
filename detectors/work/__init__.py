"""How detectors run: their loops over the topics, what they publish, what they remember over a restart."""
