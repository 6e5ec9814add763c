"""What the run of any command needs: folders, progress, files of figures, errors, optimizers."""
