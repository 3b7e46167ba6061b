"""Teams of many agents with linear dynamics and quadratic costs."""
