"""One module per noun; each has a `router`, listed in `app.ROUTERS`."""
