"""What the command lines share: progress, exits."""
