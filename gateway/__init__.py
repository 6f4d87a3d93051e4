"""The product: joins the rooms. Imports run downhill from cli to domain; import-linter holds it."""
