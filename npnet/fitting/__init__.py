"""Fitting a function of one variable by a network: expression, samples, run and pictures."""
