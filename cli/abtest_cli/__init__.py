"""The command line of the platform: it speaks to the HTTPS API only, local or on AWS."""
