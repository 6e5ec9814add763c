"""Tests of the ops against PyTorch, against finite differences, and of what they refuse."""
