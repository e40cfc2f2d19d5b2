"""HEAR tasks: folders of hear-preprocess read, written, prepared from corpora, or synthesised."""
