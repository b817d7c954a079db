"""Transductive transfer: a source with a head of its own, brought to a target whose labels nobody here sees."""
