"""Mechanisms that are trained: their networks, populations, training and files."""

from walras.mechanisms.learned.rules import ExPFNet, ExSNet, RPFNet

__all__ = ["ExPFNet", "ExSNet", "RPFNet"]
