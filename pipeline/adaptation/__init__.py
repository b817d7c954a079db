"""Unsupervised domain adaptation: adapt a source to a target without the target's labels."""
