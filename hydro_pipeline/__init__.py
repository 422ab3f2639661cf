"""Daily, cloud-gap-filled NDVI and per-field statistics from Sentinel-2."""
