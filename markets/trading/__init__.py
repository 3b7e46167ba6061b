"""Trading networks: valuations, generators, reservation prices and settlement."""
