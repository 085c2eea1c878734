"""The answer to "why?": from a task's record, its events and the fleet to one document. Pure."""
