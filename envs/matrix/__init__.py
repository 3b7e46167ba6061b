"""Matrix games: repeated, sequential, and price competition on a grid."""
