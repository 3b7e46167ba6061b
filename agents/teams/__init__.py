"""Policy gradients of linear-quadratic teams: MRPG, RGDA and the whole horizon at once."""
