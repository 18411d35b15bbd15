"""What judges that ask a model share: options, prompts, votes and verdicts."""
