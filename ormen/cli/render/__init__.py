"""Pure rendering: the API's JSON, a width and a flag for colour in, text out. Nothing here reads or prints."""
