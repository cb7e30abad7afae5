"""Finding what is wrong: fires in thermal pictures, objects falling from facades, sensors over their limits."""
