"""Scores and text as streams of classes."""
