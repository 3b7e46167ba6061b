"""Auctions: equilibria in closed form, and certified interim gaps of bidding policies."""
