"""What the protocols of scene tasks share: folds, kept results, and how each fits its probe."""
