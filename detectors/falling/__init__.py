"""The parts of the falling-object detector: what moved, what hangs together, what fell, and from where."""
