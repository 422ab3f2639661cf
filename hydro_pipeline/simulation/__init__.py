"""A season whose truth is known, and a stand-in for the catalog."""
