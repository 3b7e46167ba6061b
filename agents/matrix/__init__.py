"""Learners of matrix games."""
