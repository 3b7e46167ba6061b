"""What runs scenarios: the scenario, its catalogue, the runner, results and their statistics."""
