"""Programs written for other runtimes."""
