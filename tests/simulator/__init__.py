"""Tests of the simulated heat pump."""
