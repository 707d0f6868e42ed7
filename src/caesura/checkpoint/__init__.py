"""Savers: where checkpoints, writes and interrupts are kept."""
