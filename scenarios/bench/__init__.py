"""The benchmark: suites of games and learners, run in cells on one machine or many, and their results."""
