"""The engine: elites, one generation, and many of them in one jitted loop on the device."""
