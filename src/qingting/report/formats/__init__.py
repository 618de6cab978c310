"""The report as JSON, HTML page, terminal summary and spreadsheet rows."""
