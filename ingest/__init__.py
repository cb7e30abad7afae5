"""The doors: what sensors, cameras and panels say, taken in and put on the log."""
