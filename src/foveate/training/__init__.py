"""Config in, trained model out: the only folder that knows sizes and settings."""
