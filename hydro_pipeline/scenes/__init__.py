"""Which scenes a day is made from: found, chosen, recorded."""
