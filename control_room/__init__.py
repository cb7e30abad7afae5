"""The page that people watch all night."""
