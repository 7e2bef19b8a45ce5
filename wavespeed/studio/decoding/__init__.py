"""Pictures from strangers, decoded in processes that can be killed."""
