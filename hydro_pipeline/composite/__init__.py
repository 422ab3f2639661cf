"""The law of a day: composite[t] = observed[t] where clear, else composite[t-1]. Pure."""
