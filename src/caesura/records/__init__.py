"""What a server keeps beside checkpoints: assistants, threads, runs, crons, events, keys."""
