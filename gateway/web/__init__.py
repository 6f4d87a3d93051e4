"""The web: pages for people and a JSON API for programs; reads through query ports, acts through steps."""
