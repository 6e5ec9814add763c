"""Ordinary PyTorch programs. test_drop_in.py runs each as it is, and again with npnet for torch.

Each has a function `main(images, labels, start, folder)`: arrays (N, 1, 28, 28) and (N,), a
function that gives a model the weights that both runs start from, and an empty folder. What it
returns must agree.
"""
