"""The trainer: settings, data, loop, files and reports of a run."""
