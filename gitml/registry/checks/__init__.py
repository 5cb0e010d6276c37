"""What an audit looks at: one module for each kind of promise, over one gathered view."""
