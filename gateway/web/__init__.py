"""The web: pages for people and a JSON API for programs; reads through views, acts through steps."""

from gateway.web.app import create_app
from gateway.web.services import WebServices
from gateway.web.sessions import issue_api_token, issue_link

__all__ = ["WebServices", "create_app", "issue_api_token", "issue_link"]
