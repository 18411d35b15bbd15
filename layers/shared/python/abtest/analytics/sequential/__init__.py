"""Inference that stays right under repeated looks: group sequential boundaries and confidence sequences."""
