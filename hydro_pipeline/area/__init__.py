"""An area: its box and grid, its name, and whether points can be moved to it exactly."""
