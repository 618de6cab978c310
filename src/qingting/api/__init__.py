"""The HTTP entrance: routes turn requests into calls of `service`, and answers or errors into HTTP."""
