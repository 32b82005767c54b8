"""Template filters of the dashboards room."""
