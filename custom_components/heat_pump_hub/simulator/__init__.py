"""A heat pump with physics behind a real socket, for tests, the demo and benches."""
