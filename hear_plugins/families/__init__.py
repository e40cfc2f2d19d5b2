"""Model code that several plugins of one family share."""
