"""Scenarios of auctions: bidders who learn, beside Bayes-Nash equilibria that are known."""
