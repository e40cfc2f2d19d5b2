"""What is trained on embeddings, and how."""
