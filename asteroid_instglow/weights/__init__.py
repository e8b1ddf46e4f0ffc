"""Weights on disk and on the Hugging Face Hub: folders, cards, loading, publishing."""
