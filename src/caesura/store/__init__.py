"""The long-term store: values that outlive a thread, by namespace and key."""
