"""Matrix games: best responses to policies with memory, and equilibria."""
