"""Fifth stage: findings -> alerts, and messages on their way to people and other systems."""
