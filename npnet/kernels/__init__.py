"""Loops over arrays: ndarray in, ndarray out. Nothing here knows of Tensor or of the tape."""
