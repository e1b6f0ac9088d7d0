"""History: snapshots become frames of samples, and frames reach a time-series database."""
