"""Energy of an inference: estimated from currents, measured by meters; power and battery life."""
