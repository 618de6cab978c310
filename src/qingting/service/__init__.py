"""What the service does, one module per matter; entries (api, cli) and jobs call it, and nothing here knows HTTP.

Functions take the `Service` first and, where somebody asks, the `Actor` who does: what is out of the
actor's reach is not found, what the role may not do is refused, and both are decided here.
"""
