"""Figures that compare compositions with real music, and pictures."""
