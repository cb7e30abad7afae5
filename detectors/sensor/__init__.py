"""The parts of the sensor detector: its rules by name, and what each device's rule is in the middle of."""
