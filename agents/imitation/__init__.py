"""Learners from demonstrations: PegMARL, POfD, MAGAIL, DM2 and behaviour cloning."""
