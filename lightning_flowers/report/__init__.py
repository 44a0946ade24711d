"""Reports on runs; they read nothing but the runs' folders, and need no torch."""
