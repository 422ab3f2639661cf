"""What is stored, for other programs and for people."""
