"""Production: what did the plant do? Events in, honest figures out."""
