"""Scenarios of auctions: bidders and advertisers who learn, beside equilibria and optima that are known."""
