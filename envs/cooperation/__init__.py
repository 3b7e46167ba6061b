"""Grid worlds and particles in which agents with goals of their own must cooperate."""
