"""The routes, one module a noun. A view parses, calls one function, and renders."""
