"""Network architectures that several plugins share, or that are too long for a plugin's card."""
