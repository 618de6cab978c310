"""Durable jobs: workers take rows of the table `jobs` and run them as workflows of the engine DBOS."""
