"""The pages: plain forms and links that htmx makes live."""
