"""What is done in which order and where: embedding and evaluating, in local processes."""
