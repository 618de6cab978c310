"""Storage: what the service keeps, on SQLite or PostgreSQL; one module per noun.

Times are milliseconds since 1970, UTC (`*_ms`); days and hours of figures are those of the centre's
time zone. Nothing here knows analysis or speech: documents come as bytes, facts as values of `model/`.
"""
