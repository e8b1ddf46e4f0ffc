"""Estimates the errors of a separation, finds who plays, and draws alternative answers."""
