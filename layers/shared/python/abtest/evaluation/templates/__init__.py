"""The built-in prompts of judges that ask a model: `NAME.vVERSION.PART.j2`, Jinja2; read by `prompt_templates`."""
