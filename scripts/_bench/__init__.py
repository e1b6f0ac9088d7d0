"""Figures of Heat Pump Hub, each as a ratio or an increment within one run."""
