"""What every room stands on: errors, files, memory, signals, threads. NumPy alone, no tensor."""
