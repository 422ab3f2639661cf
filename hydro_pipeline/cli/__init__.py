"""The command `hydro`: arguments in, lines out."""
