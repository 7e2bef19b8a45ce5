"""What the page stands on: runs and their owner, settings, words, markup."""
