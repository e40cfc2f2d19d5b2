"""What an evaluation is: options, fits and summary of each protocol."""
