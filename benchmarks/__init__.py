"""Measures the operator against the floor: the same writes made by a client that does nothing else."""
