"""Result records, what may be compared, and the environment they were made in."""
