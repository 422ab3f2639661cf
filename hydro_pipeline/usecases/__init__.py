"""What can be done with an area."""
