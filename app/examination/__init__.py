"""The parts of `property-hub doctor`: each looks at one thing outside and says in plain words what it found."""
