"""Template filters of the analyses room."""
