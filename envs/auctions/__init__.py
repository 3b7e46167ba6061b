"""Sealed-bid auctions as repeated one-shot games: each step a fresh auction, in which bidders see their own type."""
