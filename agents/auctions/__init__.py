"""Learners of auctions."""
