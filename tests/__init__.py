"""Tests of Heat Pump Hub."""
