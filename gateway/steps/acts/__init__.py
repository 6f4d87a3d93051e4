"""What people do, each act checked for who may do it and written down: members in the pages, operators at the desk."""
