"""The report page of an area: one HTML file that needs no network."""
