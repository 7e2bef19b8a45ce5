"""The page's own markup, a file for each template: values in, HTML out."""
