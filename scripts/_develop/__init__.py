"""The main job, live: servers, a simulated heat pump, Home Assistant, and checks of them all."""
