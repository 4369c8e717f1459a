"""Figures of a plan, drawn from files alone: a module for each kind, one style. No torch."""
