"""The stored cube of an area: read, written a whole day at a time, kept small."""
