"""What requests and answers of the API look like: one module per noun."""
