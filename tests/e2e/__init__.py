"""Whole programs: real Home Assistant, real VictoriaMetrics, real sockets, a real browser."""
