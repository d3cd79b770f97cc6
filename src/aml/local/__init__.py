"""Running a job on this machine, and what remains of it."""
