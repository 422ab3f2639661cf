"""Objects under the root: a directory, or a bucket."""
