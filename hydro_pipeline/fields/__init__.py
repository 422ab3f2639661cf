"""Which fields there are: files of polygons with a planting date."""
