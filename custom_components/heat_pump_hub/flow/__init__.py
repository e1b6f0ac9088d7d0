"""The steps of the config flow, one subject a module. Nothing in here writes to a heat pump."""
