"""Figures and pictures of sound beside the true one."""
