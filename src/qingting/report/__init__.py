"""Fourth stage: findings -> score, advice, and the report in every form; re-checks stored reports."""
