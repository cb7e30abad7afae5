"""What operators tune and where things stand: read, checked, layered, announced."""
